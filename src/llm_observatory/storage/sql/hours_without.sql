-- Hours whose filter says no, of which no change waits in the queue. What is committed after this statement is not seen by the
-- next one only if it was not seen by a reading without filters either.
SELECT filter.hour
FROM search_filters filter
WHERE tenant = %(tenant)s AND signal = %(signal)s AND hour >= %(first)s::timestamptz - INTERVAL '1 hour' AND hour < %(last)s
    AND bits <> '' AND NOT ({holds})
    AND NOT EXISTS (
        SELECT FROM ingest_touched touched
        WHERE touched.tenant = filter.tenant AND touched.signal = filter.signal AND touched.hour = filter.hour
    )
