SELECT {columns} FROM telemetry_sources WHERE tenant = %(tenant)s AND source_id = ANY(%(ids)s::uuid[])
