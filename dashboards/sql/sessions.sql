SELECT coalesce(nullif(application_name, ''), backend_type) AS "application", usename AS "role", coalesce(state, backend_type) AS "state",
       count(*) AS "sessions", max(extract(epoch FROM now() - xact_start))::float8 AS "oldest transaction",
       count(*) FILTER (WHERE wait_event_type = 'Lock') AS "wait for a lock"
FROM pg_stat_activity
WHERE datname = current_database()
GROUP BY 1, 2, 3
ORDER BY 4 DESC
