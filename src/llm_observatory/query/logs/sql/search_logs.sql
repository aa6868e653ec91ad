SELECT timestamp, timestamp_nanos, id
FROM llm_logs
WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s{conditions}
ORDER BY timestamp {direction}, timestamp_nanos {direction}, id {direction}
LIMIT %(limit)s
