-- Hours that no change was collected of since there are filters: before an upgrade, or their rows were taken away. One probe
-- a tenant and hour; as a semi-join it would read and sort the whole day. Of an hour without a record there is no filter.
INSERT INTO search_filters (tenant, signal, hour, bits)
SELECT tenant, %(signal)s, hour, ''
FROM (SELECT DISTINCT tenant FROM telemetry_sources) tenants
CROSS JOIN generate_series(date_trunc('hour', %(begin)s::timestamptz, 'UTC'), %(end)s::timestamptz, INTERVAL '1 hour') AS hour
CROSS JOIN LATERAL (
    SELECT
    FROM {table} record
    WHERE record.tenant = tenants.tenant AND record.timestamp >= hour AND record.timestamp < hour + INTERVAL '1 hour'
        AND record.timestamp >= date_trunc('hour', %(begin)s::timestamptz, 'UTC')
        AND record.timestamp < %(end)s::timestamptz + INTERVAL '1 hour'
    LIMIT 1
) there
ON CONFLICT DO NOTHING
