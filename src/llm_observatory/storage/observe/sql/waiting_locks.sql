-- Who waits for a lock, the longest first, and who holds it.
SELECT
    pid, coalesce(application_name, '') AS application, pg_blocking_pids(pid) AS blocked_by,
    extract(epoch FROM clock_timestamp() - min(waitstart))::float8 AS seconds
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE NOT granted AND waitstart IS NOT NULL
GROUP BY pid, application_name
ORDER BY seconds DESC
