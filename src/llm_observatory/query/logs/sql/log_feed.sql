-- In the order in which they were written, which is nearly that in which they were committed.
SELECT digest, records, received_at, min_time, max_time, written_at
FROM log_feed
WHERE tenant = %(tenant)s AND written_at >= %(since)s::timestamptz - make_interval(secs => %(seconds)s)
ORDER BY written_at
