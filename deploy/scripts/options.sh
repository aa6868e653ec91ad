# Sourced by the scripts here, which have `usage` and then say: parse 'drop=--drop-existing target=-t: file=' "$@"
# That is: --drop-existing makes $drop 1, -t wants a word, which is $target, and a word by itself is $file. Each variable is set
# to nothing before, by the script. -v, -y and --help are every script's.
# shellcheck shell=sh

# shellcheck disable=SC2034 # yes: the scripts use it
parse() {
    options=$1 yes='' verbose=''
    shift
    while [ $# -gt 0 ]; do
        case $1 in
            -v) verbose=1 ;;
            -y) yes=1 ;;
            --help) usage; echo "In every script: -v shows the commands that are run, -y asks nothing, --help shows this."; exit 0 ;;
            *) take "$@" || shift ;;
        esac
        shift
    done
    if [ -n "$verbose" ]; then set -x; fi
}

# The option in $1, or the word. The status is 1 where the word after it belongs to it.
take() {
    for option in $options; do
        variable=${option%%=*} name=${option#*=}
        case $name in
            '') case $1 in -*) continue ;; esac
                eval "[ -z \"\$$variable\" ]" || continue
                eval "$variable=\$1"; return 0 ;;
            "$1") eval "$variable=1"; return 0 ;;
            "$1:") [ -n "${2:-}" ] || wrong "$1 wants a word"
                eval "$variable=\$2"; return 1 ;;
        esac
    done
    wrong "what is $1?"
}

wrong() {
    echo "$(basename "$0"): $1" >&2
    usage >&2
    exit 2
}
