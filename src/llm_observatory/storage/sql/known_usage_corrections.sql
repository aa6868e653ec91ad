SELECT trace_id, span_id, verdict, other_span_id
FROM usage_corrections
WHERE tenant = %(tenant)s AND trace_id = ANY(%(traces)s) AND timestamp >= %(first)s AND timestamp < %(last)s
