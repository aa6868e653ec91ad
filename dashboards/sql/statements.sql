-- What statements cost, of pg_stat_statements. Where that is missing: what runs now, and what to do. Its name must not stand in a
-- statement then, so ts_stat reads it, the one function of every PostgreSQL that takes a query as text: each row as a word of JSON.
WITH statistics AS (
    SELECT word::json AS said
    FROM pg_extension
    JOIN pg_namespace ON pg_namespace.oid = extnamespace
    CROSS JOIN LATERAL ts_stat(format(
        'SELECT coalesce(array_to_tsvector(array_agg(json_build_object(
             ''id'', queryid::text, ''user'', userid, ''query'', left(regexp_replace(query, ''\s+'', '' '', ''g''), 160), ''calls'', calls,
             ''mean'', mean_exec_time, ''longest'', max_exec_time, ''total'', total_exec_time, ''rows'', rows, ''hit'', shared_blks_hit,
             ''read'', shared_blks_read
         )::text)), '''')
         FROM (
             SELECT * FROM %I.pg_stat_statements
             WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
             ORDER BY mean_exec_time DESC LIMIT 20
         ) AS slowest', nspname
    ))
    WHERE extname = 'pg_stat_statements' AND current_setting('pg_stat_statements.max', true) IS NOT NULL
)
SELECT said->>'query' AS "statement", (said->>'calls')::int8 AS "calls", (said->>'mean')::float8 AS "mean",
       (said->>'longest')::float8 AS "longest", (said->>'total')::float8 AS "total",
       (said->>'rows')::float8 / nullif((said->>'calls')::int8, 0) AS "rows a call",
       (said->>'hit')::float8 / nullif((said->>'hit')::float8 + (said->>'read')::float8, 0) AS "cache hits",
       'llm-observatory maintain explain ' || (said->>'id') AS "its plan"
FROM statistics
UNION ALL
SELECT 'pg_stat_statements is not here, so this is what runs now. Add it to shared_preload_libraries, restart PostgreSQL, '
       'CREATE EXTENSION pg_stat_statements.', NULL, NULL, NULL, NULL, NULL, NULL, NULL
WHERE NOT EXISTS (SELECT FROM statistics)
UNION ALL
SELECT left(regexp_replace(query, '\s+', ' ', 'g'), 160), 1, NULL, extract(epoch FROM clock_timestamp() - query_start)::float8 * 1000,
       NULL, NULL, NULL, NULL
FROM pg_stat_activity
WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid() AND NOT EXISTS (SELECT FROM statistics)
ORDER BY "mean" DESC NULLS FIRST
