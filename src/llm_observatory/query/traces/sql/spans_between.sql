SELECT *
FROM llm_traces
WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s{conditions}
