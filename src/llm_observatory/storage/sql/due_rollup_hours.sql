-- Hours to compute now: those that are over and have settled, the newest first, for those are looked at. Hours that have
-- expired come before them: to forget them costs nothing.
SELECT tenant, signal, hour
FROM rollup_pending
WHERE hour < %(oldest)s OR (hour <= %(over)s AND pending_since <= %(settled)s)
ORDER BY hour < %(oldest)s DESC, hour DESC
