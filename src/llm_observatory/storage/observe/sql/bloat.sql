-- How much of large tables and btree indexes is more than their rows should take, estimated from the statistics: rows as wide as
-- ANALYZE found them, with headers, pages filled as they are made to be. Off by a fifth either way; exact is pgstattuple.
WITH sized AS (
    SELECT oid, relkind, reltuples, pg_relation_size(oid) AS bytes
    FROM pg_class
    WHERE relkind IN ('r', 'i') AND reltuples > 0 AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)
        AND relpages > 0
), wide AS (
    SELECT sized.oid, 28 + sum(avg_width * (1 - null_frac)) AS row_bytes, 1.0 AS filled
    FROM sized
    JOIN pg_class ON pg_class.oid = sized.oid
    JOIN pg_stats ON schemaname = relnamespace::regnamespace::text AND tablename = relname AND NOT inherited
    WHERE sized.relkind = 'r'
    GROUP BY sized.oid
    UNION ALL
    SELECT sized.oid, 12 + 8 * ceil(sum(avg_width * (1 - null_frac)) / 8), 0.9
    FROM sized
    JOIN pg_index ON indexrelid = sized.oid AND indexprs IS NULL
    JOIN pg_class own ON own.oid = indexrelid AND relam = (SELECT oid FROM pg_am WHERE amname = 'btree')
    JOIN pg_class of_table ON of_table.oid = indrelid
    JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)
    JOIN pg_stats ON schemaname = of_table.relnamespace::regnamespace::text AND tablename = of_table.relname
        AND pg_stats.attname = pg_attribute.attname AND NOT inherited
    GROUP BY sized.oid
)
SELECT
    oid::regclass::text AS name,
    relkind = 'i' AS is_index,
    bytes,
    greatest(0, bytes - reltuples * row_bytes / filled)::int8 AS wasted_bytes
FROM sized JOIN wide USING (oid)
WHERE bytes >= %(least_bytes)s
ORDER BY 4 DESC
LIMIT 10
