-- For how long the oldest hour that is over and changed waits to be computed, by signal.
SELECT signal, extract(epoch FROM max(clock_timestamp() - greatest(hour + INTERVAL '1 hour', since)))::float8 AS waiting_seconds
FROM (
    SELECT tenant, signal, hour, pending_since AS since FROM rollup_pending
    UNION ALL
    SELECT tenant, signal, hour, min(touched_at) FROM ingest_touched GROUP BY tenant, signal, hour
) changed
JOIN rollup_open USING (tenant, signal, hour)
WHERE hour + INTERVAL '1 hour' <= clock_timestamp()
GROUP BY signal
