#!/bin/sh
# A backup of the server by pgBackRest and a dump of the database. For cron, as the account of PostgreSQL.
set -eu

usage() {
    cat <<'HELP'
backup.sh
Back up the server (pgBackRest, repo1) and dump the database (BACKUP_DIR).
BACKUP_KINDS says which; both by default: "physical dump". The embedded PostgreSQL has dumps only: BACKUP_KINDS=dump.
BACKUP_TYPE is pgBackRest's: full, diff or incr (the default). Without a full one now and then nothing ever expires.
BACKUP_KEEP_DAYS deletes dumps that are older, once the new one is made; without it all stay.
Exit status: 0 made, 1 not made, 2 wrong arguments.
HELP
}

# shellcheck source=deploy/scripts/options.sh
. "$(dirname "$(readlink -f "$0")")/options.sh"
parse '' "$@"

for kind in ${BACKUP_KINDS:-physical dump}; do
    case $kind in
        physical) llm-observatory backup physical ${BACKUP_TYPE:+--type "$BACKUP_TYPE"} ;;
        *) llm-observatory backup "$kind" ;;
    esac
done
if [ -n "${BACKUP_KEEP_DAYS:-}" ]; then
    find "${BACKUP_DIR:-/var/lib/postgresql/backups/daily}" -name '*.sql.gz*' -mtime "+$BACKUP_KEEP_DAYS" -delete
fi
