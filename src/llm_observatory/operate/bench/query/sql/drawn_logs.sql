-- What is drawn anew of each log record; the other columns are those of the pool.
began AS timestamp
began AS observed_timestamp
gen_random_uuid() AS id
CASE WHEN pool.trace_id IS NOT NULL THEN gen_random_uuid() END AS trace_id
