-- From the queue of what changed to the hours that are to be computed, in one statement: an hour is always in one of the two.
-- Its filter goes at the same time. Nobody computes meanwhile (Lock.ROLLUPS).
WITH collected AS (
    DELETE FROM ingest_touched
    WHERE ctid = ANY(ARRAY(SELECT ctid FROM ingest_touched LIMIT %(limit)s))
    RETURNING tenant, signal, hour, touched_at
), filed AS (
    INSERT INTO rollup_pending (tenant, signal, hour, pending_since)
    SELECT tenant, signal, hour, min(touched_at)
    FROM collected
    WHERE signal = ANY(%(signals)s)
    GROUP BY tenant, signal, hour
    ON CONFLICT DO NOTHING
), stale AS (
    DELETE FROM search_filters filter
    USING (SELECT DISTINCT tenant, signal, hour FROM collected) touched
    WHERE filter.tenant = touched.tenant AND filter.signal = touched.signal AND filter.hour = touched.hour
)
SELECT count(*) FROM collected
