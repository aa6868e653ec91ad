-- Who waits longest comes first, so that hours that change again and again keep no other waiting.
SELECT tenant, hour
FROM usage_pending
GROUP BY tenant, hour
ORDER BY min(pending_since), hour DESC
