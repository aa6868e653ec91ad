-- The newest first: that is what is asked about most, in spans as in log records.
SELECT tenant, signal, hour
FROM search_filters
WHERE signal = ANY(%(signals)s) AND bits = '' AND hour >= date_trunc('hour', %(oldest)s::timestamptz, 'UTC') AND hour <= %(newest)s
ORDER BY hour DESC, signal
LIMIT %(limit)s
