#!/bin/sh
# The schema brought up to this version, after a backup.
set -eu

usage() {
    cat <<'HELP'
deploy_database.sh [--retry] [-v] [-y]
Back up (BACKUP_KINDS as in backup.sh), apply pending migrations, compare the schema with this version.
  --retry  after one that failed: there is a backup already, none is made
  -v       show every command
  -y       for cron: nothing is ever asked here
  --help   show this
Exit status: 0 the schema is current, 1 it is not, 2 wrong arguments.
HELP
}

retry=
while [ $# -gt 0 ]; do
    case $1 in
        --retry) retry=1 ;;
        -v) set -x ;;
        -y) ;;
        --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

[ -n "$retry" ] || "$(dirname "$0")/backup.sh" -y
llm-observatory migrate up
llm-observatory migrate verify
