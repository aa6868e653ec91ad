-- Only what is compared: of columns in the columnstore nothing else is read.
SELECT timestamp, timestamp_nanos, trace_id, span_id, {value} AS value
FROM llm_traces
WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s{conditions}
ORDER BY value DESC, timestamp DESC, timestamp_nanos DESC, trace_id DESC, span_id DESC
LIMIT %(limit)s
