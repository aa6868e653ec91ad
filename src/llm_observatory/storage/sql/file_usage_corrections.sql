-- What a span counts by itself, as the rollups sum it up, is taken away from where it stands; of a call that is completed, what its
-- carrier counts is added where the call stands. The hours they stand in are summed up again.
WITH decided AS (
    SELECT * FROM unnest(%(traces)s::uuid[], %(spans)s::bytea[], %(verdicts)s::text[], %(others)s::bytea[])
        AS decided (trace, span, verdict, other)
),
spans AS MATERIALIZED (
    SELECT DISTINCT ON (trace_id, span_id) *
    FROM llm_traces
    WHERE tenant = %(tenant)s AND trace_id = ANY(%(traces)s::uuid[])
      AND span_id = ANY(%(spans)s::bytea[] || %(others)s::bytea[]) AND timestamp >= %(first)s AND timestamp < %(last)s
    -- The copy that questions count (docs/query.md).
    ORDER BY trace_id, span_id, timestamp, timestamp_nanos, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
             input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST
),
used AS (
    SELECT trace, span, verdict, other, max({band}) AS input_band, {state},
           CASE verdict WHEN 'completed' THEN 1 ELSE -1 END AS sign
    FROM decided
    JOIN spans ON trace_id = trace AND span_id = CASE verdict WHEN 'completed' THEN other ELSE span END
    GROUP BY trace, span, verdict, other
),
filed AS (
    INSERT INTO usage_corrections ({columns})
    SELECT {values}
    FROM used
    JOIN spans ON trace_id = trace AND span_id = span
    RETURNING tenant, timestamp
)
INSERT INTO ingest_touched (tenant, signal, hour, trace_ids, touched_at)
SELECT DISTINCT tenant, 'corrections', date_trunc('hour', timestamp, 'UTC'), '{{}}'::uuid[], now()
FROM filed
