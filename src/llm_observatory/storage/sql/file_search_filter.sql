INSERT INTO search_filters (tenant, signal, hour, bits)
VALUES (%(tenant)s, %(signal)s, %(hour)s, %(bits)s)
ON CONFLICT (tenant, signal, hour) DO UPDATE SET bits = excluded.bits
