-- Hours to compute now: those that are over and have settled. Who waits longest comes first, so that hours that change again
-- and again keep no other waiting; of those that came together the newest, which is looked at most. Hours that have expired
-- come before them: to forget them costs little, their day at most.
SELECT tenant, signal, hour
FROM rollup_pending
WHERE hour < %(oldest)s OR (hour <= %(over)s AND pending_since <= %(settled)s)
ORDER BY hour < %(oldest)s DESC, pending_since, hour DESC
