SELECT timestamp, timestamp_nanos, trace_id, span_id, duration_ns AS value
FROM llm_traces
WHERE tenant = %(tenant)s AND timestamp >= {start} AND timestamp < {end} AND duration_ns IS NOT NULL{conditions}
