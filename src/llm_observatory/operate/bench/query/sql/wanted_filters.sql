-- The pool was multiplied past the service, which would have asked for them.
INSERT INTO search_filters (tenant, signal, hour, bits)
SELECT 'default', signal, hour, ''
FROM unnest('{traces, logs}'::text[]) AS signal
CROSS JOIN generate_series(%s::timestamptz, %s::timestamptz - INTERVAL '1 hour', INTERVAL '1 hour') AS hour
ON CONFLICT DO NOTHING
