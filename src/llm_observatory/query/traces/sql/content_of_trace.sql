-- Of what copies of a span said in the same place the longest comes last: it replaces the others.
SELECT {columns}
FROM llm_content
WHERE tenant = %(tenant)s AND trace_id = %(trace_id)s::uuid AND timestamp >= %(first)s AND timestamp <= %(last)s
    AND log_id IS NULL
ORDER BY timestamp, original_length, body DESC
