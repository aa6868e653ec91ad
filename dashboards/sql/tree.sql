WITH RECURSIVE tree AS (
    -- Every table with its partitions, or the chunks of a hypertable.
    SELECT pg_class.oid AS root, pg_class.oid AS relation
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND nspname !~ '^(pg_|information_schema$|_?timescaledb)'
      AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = pg_class.oid)
    UNION ALL
    SELECT root, inhrelid FROM tree JOIN pg_inherits ON inhparent = relation
)
