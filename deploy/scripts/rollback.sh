#!/bin/sh
# The latest migration taken back.
set -eu

usage() {
    cat <<'HELP'
rollback.sh [--emergency]
Back up, then take the latest migration back; what it made is dropped, with the data in it. Asks, unless -y.
  --emergency  no backup first, and no question
Exit status: 0 taken back, 1 not, 2 wrong arguments.
HELP
}

# shellcheck source=deploy/scripts/options.sh
. "$(dirname "$(readlink -f "$0")")/options.sh"
emergency=''
parse 'emergency=--emergency' "$@"

if [ -n "$emergency" ]; then yes=1; else "$(dirname "$(readlink -f "$0")")/backup.sh" -y; fi
llm-observatory migrate down ${yes:+--yes}
