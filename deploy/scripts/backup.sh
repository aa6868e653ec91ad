#!/bin/sh
# A backup of the server by pgBackRest and a dump of the database. For cron, as the account of PostgreSQL.
set -eu

usage() {
    cat <<'HELP'
backup.sh
Back up the server (pgBackRest, repo1) and dump the database (BACKUP_DIR).
BACKUP_KINDS says which; both by default: "physical dump". The embedded PostgreSQL has dumps only: BACKUP_KINDS=dump.
Exit status: 0 made, 1 not made, 2 wrong arguments.
HELP
}

# shellcheck source=deploy/scripts/options.sh
. "$(dirname "$(readlink -f "$0")")/options.sh"
parse '' "$@"

for kind in ${BACKUP_KINDS:-physical dump}; do
    llm-observatory backup "$kind"
done
