-- Every hour that holds rows, of a source whose rollup tables are new. min and max come from an index, and each hour is
-- looked up in it.
INSERT INTO rollup_pending (tenant, signal, hour, pending_since)
SELECT known.tenant, '{signal}', hour, now()
FROM (SELECT DISTINCT tenant FROM telemetry_sources) known
CROSS JOIN LATERAL (SELECT min(timestamp) AS first, max(timestamp) AS last FROM {source} WHERE tenant = known.tenant) span
CROSS JOIN LATERAL generate_series(date_trunc('hour', greatest(first, %(oldest)s), 'UTC'), last, INTERVAL '1 hour') AS hour
WHERE EXISTS (
    SELECT FROM {source} f
    WHERE f.tenant = known.tenant AND f.timestamp >= hour AND f.timestamp < hour + INTERVAL '1 hour'
)
ON CONFLICT DO NOTHING
