#!/bin/sh
# A dump into a database, or pgBackRest's repository into a data folder.
set -eu

usage() {
    cat <<'HELP'
restore.sh [-t DATABASE] [--drop-existing] FILE
restore.sh [-t DATABASE] [--drop-existing] -s -b BUCKET KEY
restore.sh [--drop-existing] --latest | --target-time TIME     (as PostgreSQL's account, PGDATA set, server stopped)
  -t DATABASE         the database it becomes; the configured one without it
  -s -b BUCKET        fetch the dump from S3
  --latest            the newest backup of the repository BACKUP_REPO (1) and all WAL
  --target-time TIME  the same up to a moment: "2026-11-28 14:25:00+00", UTC without a zone
  --drop-existing     replace what is there; asks, unless -y
Exit status: 0 restored, 1 not restored and nothing replaced, 2 wrong arguments.
HELP
}

# shellcheck source=deploy/scripts/options.sh
. "$(dirname "$(readlink -f "$0")")/options.sh"
target='' from_s3='' bucket='' latest='' moment='' drop='' file=''
parse 'target=-t: from_s3=-s bucket=-b: latest=--latest moment=--target-time: drop=--drop-existing file=' "$@"
[ -z "$from_s3" ] || [ -n "$bucket" ] || wrong '-s wants -b BUCKET'
[ -z "$bucket" ] || [ -n "$from_s3" ] || wrong '-b wants -s'

exec llm-observatory restore ${file:+"$file"} ${target:+--target "$target"} ${bucket:+--bucket "$bucket"} ${latest:+--latest} \
    ${moment:+--target-time "$moment"} --repo "${BACKUP_REPO:-1}" ${drop:+--drop-existing} ${yes:+--yes}
