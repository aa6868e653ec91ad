#!/bin/sh
# The schema brought up to this version, after a backup.
set -eu

usage() {
    cat <<'HELP'
deploy_database.sh [--retry]
Back up (BACKUP_KINDS as in backup.sh), apply pending migrations, compare the schema with this version.
  --retry  after one that failed: there is a backup already, none is made
Exit status: 0 the schema is current, 1 it is not, 2 wrong arguments.
HELP
}

# shellcheck source=deploy/scripts/options.sh
. "$(dirname "$(readlink -f "$0")")/options.sh"
retry=''
parse 'retry=--retry' "$@"

[ -n "$retry" ] || "$(dirname "$(readlink -f "$0")")/backup.sh" -y
llm-observatory migrate up
llm-observatory migrate verify
