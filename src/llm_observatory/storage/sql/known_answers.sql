SELECT digest, answer
FROM ingest_ledger
JOIN unnest(%b::text[], %b::text[], %b::bytea[]) AS request (tenant, signal, digest) USING (tenant, signal, digest)
