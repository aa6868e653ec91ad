#!/bin/sh
# The daily checklist.
set -eu

usage() {
    cat <<'HELP'
daily_health_check.sh [--json]
Run `llm-observatory doctor`: its lines and its exit status.
  --json  as JSON
HELP
}

# shellcheck source=deploy/scripts/options.sh
. "$(dirname "$(readlink -f "$0")")/options.sh"
json=''
parse 'json=--json' "$@"

exec llm-observatory doctor ${json:+--json}
