#!/bin/sh
# The figures of run_benchmark.sh over time, as an HTML page.
set -eu

usage() {
    cat <<'HELP'
generate_performance_report.sh [--period weekly|monthly|quarterly|yearly] --output FILE [-v] [-y]
Draw the files of run_benchmark.sh in BENCHMARK_RESULTS (results).
  -v      show every command
  -y      for cron: nothing is ever asked here
  --help  show this
Exit status: 0 written, 1 not written, 2 wrong arguments, or no runs of that period.
HELP
}

period=monthly
output=
while [ $# -gt 0 ]; do
    case $1 in
        --period) period=${2:?--period wants a word}; shift ;;
        --output) output=${2:?--output wants a file}; shift ;;
        -v) set -x ;;
        -y) ;;
        --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done
[ -n "$output" ] || { usage >&2; exit 2; }

exec llm-observatory report --period "$period" --output "$output" --runs "${BENCHMARK_RESULTS:-results}"
