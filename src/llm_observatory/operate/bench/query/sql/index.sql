-- A row a trace and request: each service sends its own.
INSERT INTO trace_index (tenant, timestamp, last_timestamp, trace_id)
SELECT tenant, min(timestamp), max(timestamp), trace_id FROM llm_traces WHERE timestamp >= %s AND timestamp < %s
GROUP BY tenant, trace_id, service_name ORDER BY 2
