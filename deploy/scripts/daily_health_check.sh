#!/bin/sh
# The daily checklist.
set -eu

usage() {
    cat <<'HELP'
daily_health_check.sh [-v] [-y] [--json]
Run `llm-observatory doctor`: its lines and its exit status.
  -v      show every command
  -y      for cron: nothing is ever asked here
  --json  as JSON
  --help  show this
HELP
}

while [ $# -gt 0 ]; do
    case $1 in
        -v) set -x ;;
        -y) ;;
        --json) json=--json ;;
        --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

exec llm-observatory doctor ${json:+"$json"}
