-- Read once before the rows, not joined to each of them; of sources there are few.
source_id = ANY(ARRAY(SELECT source_id FROM telemetry_sources WHERE tenant = %(tenant)s AND {condition}))
