-- One billed span alone is what it says.
SELECT trace_id, count(*) AS spans
FROM llm_traces
WHERE tenant = %(tenant)s AND trace_id = ANY(%(traces)s) AND timestamp >= %(first)s AND timestamp < %(last)s
GROUP BY trace_id
HAVING count(*) FILTER (WHERE usage_role IN ('call', 'carrier')) > 1
