SELECT service_name, sum(span_count)::int8, sum(error_count)::int8, max(bucket)
FROM ({sums}) sums
GROUP BY service_name
ORDER BY service_name
LIMIT %(most)s
