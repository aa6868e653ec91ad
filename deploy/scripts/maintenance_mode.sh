#!/bin/sh
# Records refused for as long as an operator works; questions are answered.
set -eu

usage() {
    cat <<'HELP'
maintenance_mode.sh --enable | --disable [-v] [-y]
Clients are told to come back (UNAVAILABLE with RetryInfo) and keep their records meanwhile.
  -v      show every command
  -y      for cron: nothing is ever asked here
  --help  show this
HELP
}

mode=
while [ $# -gt 0 ]; do
    case $1 in
        --enable) mode=on ;;
        --disable) mode=off ;;
        -v) set -x ;;
        -y) ;;
        --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done
[ -n "$mode" ] || { usage >&2; exit 2; }

exec llm-observatory maintenance "$mode"
