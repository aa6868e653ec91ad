-- Open transactions of other sessions on this database, the oldest first. The text of statements is left out: it may hold data.
SELECT
    pid, coalesce(usename, '') AS role, coalesce(application_name, '') AS application,
    coalesce(state LIKE 'idle in transaction%%', false) AS is_idle,
    extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds,
    extract(epoch FROM clock_timestamp() - state_change)::float8 AS seconds_in_state
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND backend_type = 'client backend'
ORDER BY xact_start
