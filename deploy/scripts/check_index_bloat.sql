-- Indexes and how much of them is probably air: their size against the room their rows would take at a fill of 90 %.
-- An estimate from statistics (ANALYZE first); pgstattuple's pgstatindex() measures one exactly, by reading it.
-- psql "$(llm-observatory dsn)" -f check_index_bloat.sql
-- Above 50 % and 100 MB: REINDEX INDEX CONCURRENTLY.
WITH measured AS (
    SELECT n.nspname, t.relname AS table_name, i.relname AS index_name, pg_relation_size(i.oid) AS bytes, i.reltuples,
           x.indisvalid,
           -- 8 bytes of tuple head, 4 of line pointer, and the columns' average width with alignment to 8.
           12 + (SELECT coalesce(sum(ceil(coalesce(s.stawidth, 8) / 8.0) * 8), 8)
                 FROM unnest(x.indkey::int2[]) AS k(attnum)
                 LEFT JOIN pg_statistic s ON s.starelid = x.indrelid AND s.staattnum = k.attnum AND NOT s.stainherit) AS width
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid AND i.relkind = 'i'
    JOIN pg_class t ON t.oid = x.indrelid
    JOIN pg_namespace n ON n.oid = t.relnamespace
    JOIN pg_am a ON a.oid = i.relam AND a.amname = 'btree'
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
)
SELECT nspname || '.' || table_name AS "table", index_name AS "index", pg_size_pretty(bytes) AS size,
       greatest(0, round((100 * (1 - reltuples * width / (0.9 * nullif(bytes, 0))))::numeric)) AS bloat_percent,
       CASE WHEN NOT indisvalid THEN 'invalid: DROP INDEX CONCURRENTLY, then make it again' ELSE '' END AS note
FROM measured
WHERE bytes > 1024 * 1024 OR NOT indisvalid
ORDER BY bytes DESC
LIMIT 50;
