SELECT timestamp, timestamp_nanos, trace_id, span_id, duration_ns AS value
FROM ({spans}) span
WHERE duration_ns IS NOT NULL
