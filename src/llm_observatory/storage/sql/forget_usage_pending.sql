-- Of hours that have expired: what is left of their spans decides nothing any more.
DELETE FROM usage_pending WHERE hour < %(oldest)s
