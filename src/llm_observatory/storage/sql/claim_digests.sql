-- One row per request of the group. What does not come back is already there: committed earlier, by this process or another.
-- Bytes come in hex: psycopg escapes those of a bytea[] once too often where standard_conforming_strings is off.
-- Sorted, so that two groups that share digests take them in the same order and cannot deadlock.
INSERT INTO ingest_ledger (tenant, signal, digest, received_at, answer)
SELECT tenant, signal, decode(digest, 'hex') AS digest, received_at, decode(answer, 'hex')
FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[])
    AS request (tenant, signal, digest, received_at, answer)
ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
RETURNING digest
