SELECT root::regclass::text AS "table", sum(pg_table_size(relation)) AS "rows and TOAST", sum(pg_indexes_size(relation)) AS "indexes"
FROM tree
GROUP BY root
ORDER BY sum(pg_total_relation_size(relation)) DESC
LIMIT 12
