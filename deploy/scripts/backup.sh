#!/bin/sh
# A backup of the server by pgBackRest and a dump of the database. For cron, as the account of PostgreSQL.
set -eu

usage() {
    cat <<'HELP'
backup.sh [-v] [-y]
Back up the server (pgBackRest, repo1) and dump the database (BACKUP_DIR).
BACKUP_KINDS says which; both by default: "physical dump". The embedded PostgreSQL has dumps only: BACKUP_KINDS=dump.
  -v      show every command
  -y      for cron: nothing is ever asked here
  --help  show this
Exit status: 0 made, 1 not made, 2 wrong arguments.
HELP
}

while [ $# -gt 0 ]; do
    case $1 in
        -v) set -x ;;
        -y) ;;
        --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

for kind in ${BACKUP_KINDS:-physical dump}; do
    llm-observatory backup "$kind"
done
