-- Tables with their partitions, indexes and TOAST. A hypertable has its rows elsewhere: hypertable_sizes.sql.
SELECT
    name AS "table",
    coalesce(
        (SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(to_regclass(name))),
        pg_total_relation_size(to_regclass(name))
    )::int8 AS bytes
FROM unnest(%(tables)s::text[]) AS name
WHERE to_regclass(name) IS NOT NULL
