-- From the queue of what changed to the hours that are to be computed, in one statement: an hour is always in one of the two.
-- Its filter is empty from now on, which asks for a new one, and its traces wait to be looked at as a whole. Nobody computes meanwhile (Lock.ROLLUPS).
WITH collected AS (
    DELETE FROM ingest_touched
    WHERE ctid = ANY(ARRAY(SELECT ctid FROM ingest_touched LIMIT %(limit)s))
    RETURNING tenant, signal, hour, trace_ids, touched_at
), filed AS (
    INSERT INTO rollup_pending (tenant, signal, hour, pending_since)
    SELECT tenant, signal, hour, min(touched_at)
    FROM collected
    WHERE signal = ANY(%(signals)s)
    GROUP BY tenant, signal, hour
    ON CONFLICT DO NOTHING
), stale AS (
    INSERT INTO search_filters (tenant, signal, hour, bits)
    SELECT DISTINCT tenant, signal, hour, ''::bytea
    FROM collected
    WHERE signal IN ('traces', 'logs')
    ON CONFLICT (tenant, signal, hour) DO UPDATE SET bits = ''
), together AS (
    INSERT INTO usage_pending (tenant, hour, trace_id, pending_since)
    SELECT tenant, hour, trace_id, min(touched_at)
    FROM collected CROSS JOIN LATERAL unnest(trace_ids) AS trace_id
    WHERE signal = 'traces'
    GROUP BY tenant, hour, trace_id
    ORDER BY tenant, hour, trace_id
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM collected
