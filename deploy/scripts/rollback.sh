#!/bin/sh
# The latest migration taken back.
set -eu

usage() {
    cat <<'HELP'
rollback.sh [--emergency] [-v] [-y]
Back up, then take the latest migration back; what it made is dropped, with the data in it. Asks, unless -y.
  --emergency  no backup first, and no question
  -v           show every command
  -y           do not ask
  --help       show this
Exit status: 0 taken back, 1 not, 2 wrong arguments.
HELP
}

emergency='' yes=''
while [ $# -gt 0 ]; do
    case $1 in
        --emergency) emergency=1 yes=--yes ;;
        -v) set -x ;;
        -y) yes=--yes ;;
        --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

[ -n "$emergency" ] || "$(dirname "$0")/backup.sh" -y
llm-observatory migrate down ${yes:+"$yes"}
