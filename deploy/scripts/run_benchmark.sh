#!/bin/sh
# What the service takes in, measured into a file.
set -eu

usage() {
    cat <<'HELP'
run_benchmark.sh --output FILE [-v] [-y]
Run BENCHMARK (ingest; or codec, query) on a database of its own, minutes on a quiet machine, and write FILE.
  -v      show every command
  -y      for cron: nothing is ever asked here
  --help  show this
Exit status: 0 all bars held, 1 one was missed, 2 wrong arguments.
HELP
}

output=
while [ $# -gt 0 ]; do
    case $1 in
        --output) output=${2:?--output wants a file}; shift ;;
        -v) set -x ;;
        -y) ;;
        --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done
[ -n "$output" ] || { usage >&2; exit 2; }

exec llm-observatory bench "${BENCHMARK:-ingest}" --json "$output"
