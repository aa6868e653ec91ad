SELECT min(timestamp)
FROM (
    SELECT timestamp
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s
        AND is_entry AND parent_span_id IS NOT NULL
    ORDER BY timestamp DESC
    LIMIT %(sample)s
) called
