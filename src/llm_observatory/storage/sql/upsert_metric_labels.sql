ON CONFLICT (tenant, series_id) DO UPDATE SET last_seen = EXCLUDED.last_seen
WHERE metric_labels.last_seen < EXCLUDED.last_seen
