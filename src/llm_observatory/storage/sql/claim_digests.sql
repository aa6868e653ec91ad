-- One row per request of the group. What does not come back is already there: committed earlier, by this process or another.
-- Sorted, so that two groups that share digests take them in the same order and cannot deadlock.
INSERT INTO ingest_ledger (tenant, signal, digest, received_at, answer)
SELECT tenant, signal, digest, received_at, answer
FROM unnest(%s::text[], %s::text[], %s::bytea[], %s::timestamptz[], %s::bytea[])
    AS request (tenant, signal, digest, received_at, answer)
ORDER BY tenant, signal, digest
ON CONFLICT DO NOTHING
RETURNING digest
