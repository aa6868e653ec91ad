-- Dead letters, and the ledger of requests: its rows as the statistics have them, and the oldest of them. That one is looked for
-- from the far end, by parts of LEDGER_RETENTION: the index knows of ranges of blocks, and min() alone would read all rows.
SELECT
    (SELECT count(*) FROM dead_letters) AS dead_letters,
    (SELECT n_live_tup FROM pg_stat_user_tables WHERE relid = 'ingest_ledger'::regclass) AS ledger_rows,
    (
        SELECT extract(epoch FROM now() - oldest)::float8
        FROM generate_series(16, 0, -1) AS parts
        CROSS JOIN LATERAL (
            SELECT min(received_at) AS oldest FROM ingest_ledger
            WHERE received_at <= now() - %(retention)s::interval * parts / 16
        ) ledger
        WHERE oldest IS NOT NULL
        LIMIT 1
    ) AS ledger_oldest_seconds
