#!/bin/sh
# Read a dump back, or every repository that BACKUP_REPOS names.
set -eu

usage() {
    cat <<'HELP'
verify_backup.sh [FILE] [-v] [-y]
Read a dump from its first to its last byte and compare its sha256; without FILE the newest of BACKUP_DIR.
BACKUP_REPOS="1 2" has pgBackRest's repositories read, too.
  -v      show every command
  -y      for cron: nothing is ever asked here
  --help  show this
Exit status: 0 whole, 1 damaged or missing, 2 wrong arguments.
HELP
}

file=
while [ $# -gt 0 ]; do
    case $1 in
        -v) set -x ;;
        -y) ;;
        --help) usage; exit 0 ;;
        -*) usage >&2; exit 2 ;;
        *) [ -z "$file" ] || { usage >&2; exit 2; }; file=$1 ;;
    esac
    shift
done

llm-observatory backup verify ${file:+"$file"}
for repo in ${BACKUP_REPOS:-}; do
    llm-observatory backup verify --repo "$repo"
done
