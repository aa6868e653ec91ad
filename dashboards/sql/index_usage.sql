SELECT root::regclass::text AS "table", family AS "index", count(*) AS "parts", sum(idx_scan) AS "scans", sum(idx_tup_read) AS "entries read",
       sum(pg_relation_size(indexrelid)) AS "size", bool_and(indisvalid) AS "valid",
       bool_or(indisunique) AS "unique"
FROM (
    SELECT root, idx_scan, idx_tup_read, indexrelid, indisvalid, indisunique,
           -- An index of a partition is counted to that of the table, whose columns it has.
           regexp_replace(pg_get_indexdef(indexrelid), '^.* USING ', '') AS family
    FROM tree
    JOIN pg_stat_user_indexes ON relid = relation
    JOIN pg_index USING (indexrelid)
) AS part
GROUP BY root, family
ORDER BY sum(idx_scan), sum(pg_relation_size(indexrelid)) DESC
