-- The one statement without bounds in time: a trace id says nothing about it. trace_index is what answers that.
-- OFFSET 0 keeps the planner from looking for a minimum in each of 30 chunks by itself: 2 ms instead of 5.
SELECT min(timestamp), max(last_timestamp)
FROM (
    SELECT timestamp, last_timestamp
    FROM trace_index
    WHERE tenant = %(tenant)s AND trace_id = %(trace_id)s::uuid
    OFFSET 0
) requests
