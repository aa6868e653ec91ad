DELETE FROM usage_pending
WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM usage_pending WHERE tenant = %(tenant)s AND hour = %(hour)s LIMIT %(limit)s FOR UPDATE SKIP LOCKED
))
RETURNING trace_id, pending_since
