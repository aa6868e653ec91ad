#!/bin/sh
# Read a dump back, or every repository that BACKUP_REPOS names.
set -eu

usage() {
    cat <<'HELP'
verify_backup.sh [FILE]
Read a dump from its first to its last byte and compare its sha256; without FILE the newest of BACKUP_DIR.
BACKUP_REPOS="1 2" has pgBackRest's repositories read, too.
Exit status: 0 whole, 1 damaged or missing, 2 wrong arguments.
HELP
}

# shellcheck source=deploy/scripts/options.sh
. "$(dirname "$(readlink -f "$0")")/options.sh"
file=''
parse 'file=' "$@"

llm-observatory backup verify ${file:+"$file"}
for repo in ${BACKUP_REPOS:-}; do
    llm-observatory backup verify --repo "$repo"
done
