#!/bin/sh
# A dump into a database, or pgBackRest's repository into a data folder.
set -eu

usage() {
    cat <<'HELP'
restore.sh [-t DATABASE] [--drop-existing] [-y] [-v] FILE
restore.sh [-t DATABASE] [--drop-existing] [-y] [-v] -s -b BUCKET KEY
restore.sh [--drop-existing] [-y] [-v] --latest | --target-time TIME     (as PostgreSQL's account, PGDATA set, server stopped)
  -t DATABASE         the database it becomes; the configured one without it
  -s -b BUCKET        fetch the dump from S3
  --latest            the newest backup of the repository BACKUP_REPO (1) and all WAL
  --target-time TIME  the same up to a moment: "2026-11-28 14:25:00+00", UTC without a zone
  --drop-existing     replace what is there; asks, unless -y
  -v                  show every command
  -y                  do not ask
  --help              show this
Exit status: 0 restored, 1 not restored and nothing replaced, 2 wrong arguments.
HELP
}

from_s3='' bucket='' file=''
set -- "$@" --
while [ "$1" != -- ]; do
    case $1 in
        -t) target=${2:?-t wants a database}; shift ;;
        -s) from_s3=1 ;;
        -b) bucket=${2:?-b wants a bucket}; shift ;;
        --latest) latest=--latest ;;
        --target-time) moment=${2:?--target-time wants a time}; shift ;;
        --drop-existing) drop=--drop-existing ;;
        -v) set -x ;;
        -y) yes=--yes ;;
        --help) usage; exit 0 ;;
        -*) usage >&2; exit 2 ;;
        *) [ -z "$file" ] || { usage >&2; exit 2; }; file=$1 ;;
    esac
    shift
done
[ -n "$from_s3" ] && [ -z "$bucket" ] && { echo "restore.sh: -s wants -b BUCKET" >&2; exit 2; }
[ -z "$from_s3" ] && [ -n "$bucket" ] && { echo "restore.sh: -b wants -s" >&2; exit 2; }

exec llm-observatory restore ${file:+"$file"} ${target:+--target "$target"} ${bucket:+--bucket "$bucket"} ${latest:+"$latest"} \
    ${moment:+--target-time "$moment"} --repo "${BACKUP_REPO:-1}" ${drop:+"$drop"} ${yes:+"$yes"}
