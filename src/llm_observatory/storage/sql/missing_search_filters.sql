-- The newest first: that is what is asked about most.
SELECT tenant, hour
FROM search_filters
WHERE signal = %(signal)s AND bits = '' AND hour >= date_trunc('hour', %(oldest)s::timestamptz, 'UTC') AND hour <= %(newest)s
ORDER BY hour DESC
LIMIT %(limit)s
