-- One row per request of the group. What does not come back is already there: committed earlier, by this process or another.
-- Arrays come as text, bytes in hex, times in microseconds since the epoch.
-- Sorted, so that two groups that share digests take them in the same order and cannot deadlock.
INSERT INTO ingest_ledger (tenant, signal, digest, received_at, answer)
SELECT tenant, signal, decode(digest, 'hex') AS digest, to_timestamp(received_at / 1e6), decode(answer, 'hex')
FROM unnest(%s::text[], %s::text[], %s::text[], %s::int8[], %s::text[])
    AS request (tenant, signal, digest, received_at, answer)
ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
RETURNING digest
