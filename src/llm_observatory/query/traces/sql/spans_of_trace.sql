-- Copies of a span stand side by side: retries have the same times. Of these the one that counts comes first.
SELECT {columns}
FROM llm_traces
WHERE tenant = %(tenant)s AND trace_id = %(trace_id)s::uuid AND timestamp >= %(first)s AND timestamp <= %(last)s
ORDER BY timestamp, timestamp_nanos, span_id, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
    input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST
