-- What statements cost, of pg_stat_statements. Where it is missing, what runs now and what to do: its name must not stand here then,
-- so query_to_xml reads it, which takes a text, and hands one hexadecimal value through.
WITH statistics AS (
    SELECT query_to_xml(
        format(
            'SELECT encode(convert_to(coalesce(json_agg(found), ''[]'')::text, ''UTF8''), ''hex'') AS hex FROM (
                 SELECT query, calls, mean_exec_time, max_exec_time, total_exec_time, rows, shared_blks_hit, shared_blks_read
                 FROM %I.pg_stat_statements
                 WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query NOT LIKE ''%%pg_stat_statements%%''
                 ORDER BY mean_exec_time DESC LIMIT 20
             ) AS found', nspname
        ), false, false, ''
    )::text AS document
    FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
    WHERE extname = 'pg_stat_statements' AND current_setting('pg_stat_statements.max', true) IS NOT NULL
), found AS (
    SELECT statement.*
    FROM statistics CROSS JOIN LATERAL json_to_recordset(
        convert_from(decode(substring(document FROM '<hex>([0-9a-f]*)</hex>'), 'hex'), 'UTF8')::json
    ) AS statement (
        query text, calls int8, mean_exec_time float8, max_exec_time float8, total_exec_time float8, rows int8,
        shared_blks_hit int8, shared_blks_read int8
    )
)
SELECT left(regexp_replace(query, '\s+', ' ', 'g'), 160) AS statement, calls, mean_exec_time AS "mean", max_exec_time AS "longest",
       total_exec_time AS "total", rows::float8 / nullif(calls, 0) AS "rows a call",
       shared_blks_hit::float8 / nullif(shared_blks_hit + shared_blks_read, 0) AS "cache hits"
FROM found
UNION ALL
SELECT 'pg_stat_statements is not here, so this is what runs now. Add it to shared_preload_libraries, restart PostgreSQL, '
       'CREATE EXTENSION pg_stat_statements.', NULL, NULL, NULL, NULL, NULL, NULL
WHERE NOT EXISTS (SELECT FROM statistics)
UNION ALL
SELECT left(regexp_replace(query, '\s+', ' ', 'g'), 160), 1, NULL, extract(epoch FROM clock_timestamp() - query_start)::float8 * 1000,
       NULL, NULL, NULL
FROM pg_stat_activity
WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid() AND NOT EXISTS (SELECT FROM statistics)
ORDER BY "mean" DESC NULLS FIRST
