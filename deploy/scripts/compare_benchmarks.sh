#!/bin/sh
# Two files of run_benchmark.sh side by side.
set -eu

usage() {
    cat <<'HELP'
compare_benchmarks.sh BEFORE AFTER [-v] [-y]
  -v      show every command
  -y      for cron: nothing is ever asked here
  --help  show this
HELP
}

before='' after=''
while [ $# -gt 0 ]; do
    case $1 in
        -v) set -x ;;
        -y) ;;
        --help) usage; exit 0 ;;
        -*) usage >&2; exit 2 ;;
        *) if [ -z "$before" ]; then before=$1; elif [ -z "$after" ]; then after=$1; else usage >&2; exit 2; fi ;;
    esac
    shift
done
[ -n "$after" ] || { usage >&2; exit 2; }

exec llm-observatory bench compare "$before" "$after"
