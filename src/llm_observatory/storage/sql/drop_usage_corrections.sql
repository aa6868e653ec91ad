-- The hours they stood in are summed up again.
WITH dropped AS (
    DELETE FROM usage_corrections
    WHERE (tenant, trace_id, span_id) IN (SELECT %(tenant)s::text, * FROM unnest(%(traces)s::uuid[], %(spans)s::bytea[]))
    RETURNING tenant, timestamp
)
INSERT INTO ingest_touched (tenant, signal, hour, trace_ids, touched_at)
SELECT DISTINCT tenant, 'corrections', date_trunc('hour', timestamp, 'UTC'), '{}'::uuid[], now()
FROM dropped
