-- The one statement without bounds in time: a trace id says nothing about it. trace_index is what answers that.
SELECT min(timestamp), max(last_timestamp)
FROM trace_index
WHERE tenant = %(tenant)s AND trace_id = %(trace_id)s::uuid
