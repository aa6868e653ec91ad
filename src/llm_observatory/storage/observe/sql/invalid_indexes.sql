-- Indexes that no query uses although every write pays for them: left by CREATE or REINDEX CONCURRENTLY that failed. Not those
-- that are being built, nor those of a partitioned table that wait for those of its partitions.
SELECT indexrelid::regclass::text AS name
FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid
WHERE NOT (indisvalid AND indisready AND indislive) AND relkind = 'i'
    AND indexrelid NOT IN (SELECT index_relid FROM pg_stat_progress_create_index)
ORDER BY 1
