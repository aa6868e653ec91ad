SELECT source_id, resource FROM telemetry_sources WHERE tenant = %(tenant)s AND source_id = ANY(%(ids)s::uuid[])
