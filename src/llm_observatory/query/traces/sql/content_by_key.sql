-- In order as that of a trace.
SELECT {columns}
FROM llm_content
WHERE tenant = %(tenant)s AND timestamp >= %(first)s AND timestamp <= %(last)s
    AND timestamp = ANY(%(times)s) AND trace_id = ANY(%(trace_ids)s::uuid[]) AND span_id = ANY(%(span_ids)s)
    AND log_id IS NULL
ORDER BY timestamp, original_length, body DESC
