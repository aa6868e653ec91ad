ON CONFLICT (tenant, source_id) DO UPDATE SET last_seen = EXCLUDED.last_seen
WHERE telemetry_sources.last_seen < EXCLUDED.last_seen
