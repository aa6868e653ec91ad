-- First by what the index gives, then exactly. Were the inner query sorted by more than its index, TimescaleDB would sort a whole
-- day for 20 rows: 490 ms of 333,000 spans, 0.3 ms this way.
SELECT timestamp, timestamp_nanos, trace_id, span_id
FROM (
    SELECT timestamp, timestamp_nanos, trace_id, span_id
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s{conditions}
    ORDER BY timestamp DESC
    FETCH FIRST %(limit)s ROWS WITH TIES
) newest
ORDER BY timestamp DESC, timestamp_nanos DESC, trace_id DESC, span_id DESC
LIMIT %(limit)s
