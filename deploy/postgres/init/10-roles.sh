#!/bin/bash
# Runs once, when the container of compose makes its database.
set -euo pipefail
psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --file /roles.sql
psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set ON_ERROR_STOP=1 \
    --set service="$SERVICE_PASSWORD" --set reader="$READER_PASSWORD" --set monitor="$MONITOR_PASSWORD" <<'SQL'
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
ALTER ROLE observatory_service PASSWORD :'service';
ALTER ROLE observatory_reader PASSWORD :'reader';
ALTER ROLE observatory_monitor PASSWORD :'monitor';
SQL
