SELECT source_id FROM telemetry_sources WHERE tenant = %(tenant)s AND {condition} LIMIT %(limit)s
