-- The newest first: that is what is asked about most.
SELECT tenant, hour
FROM (SELECT DISTINCT tenant FROM telemetry_sources) tenants
CROSS JOIN generate_series(
    date_trunc('hour', %(newest)s::timestamptz, 'UTC'), date_trunc('hour', %(oldest)s::timestamptz, 'UTC'), INTERVAL '-1 hour'
) hour
WHERE NOT EXISTS (
    SELECT FROM search_filters filter WHERE filter.tenant = tenants.tenant AND signal = %(signal)s AND filter.hour = hour.hour
)
ORDER BY hour DESC
LIMIT %(limit)s
