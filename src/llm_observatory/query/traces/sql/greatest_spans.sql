-- Only what is compared: of columns in the columnstore nothing else is read. Copies of a span are told apart by key afterwards:
-- to bring them together here would sort the whole range.
SELECT timestamp, timestamp_nanos, trace_id, span_id, value
FROM ({valued}) valued
WHERE true{beyond}
ORDER BY value DESC, timestamp DESC, timestamp_nanos DESC, trace_id DESC, span_id DESC
LIMIT %(limit)s
