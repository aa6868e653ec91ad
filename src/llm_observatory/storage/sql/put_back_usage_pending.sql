-- What was claimed and not looked at waits for as long as it did: claimed by DELETE, for who files a trace anew meanwhile must wait.
INSERT INTO usage_pending (tenant, hour, trace_id, pending_since)
SELECT %(tenant)s, %(hour)s, * FROM unnest(%(traces)s::uuid[], %(since)s::timestamptz[])
