-- Statements of this database that take long on average; their constants are cut out by pg_stat_statements.
SELECT queryid, calls, mean_exec_time / 1000 AS mean_seconds, max_exec_time / 1000 AS max_seconds,
       left(regexp_replace(query, '\s+', ' ', 'g'), 100) AS query
FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND mean_exec_time > %(slow_seconds)s * 1000
ORDER BY total_exec_time DESC
LIMIT 5
