SELECT DISTINCT ON (timestamp, timestamp_nanos, trace_id, span_id) {columns}
FROM llm_traces
WHERE tenant = %(tenant)s AND timestamp >= %(first)s AND timestamp <= %(last)s
    AND timestamp = ANY(%(times)s) AND trace_id = ANY(%(trace_ids)s::uuid[]) AND span_id = ANY(%(span_ids)s){conditions}
ORDER BY timestamp, timestamp_nanos, trace_id, span_id, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
    input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST
