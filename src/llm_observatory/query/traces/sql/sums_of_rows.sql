SELECT {bucket} AS bucket, {keys_and_sums}
FROM llm_traces
WHERE tenant = %(tenant)s AND timestamp >= {start} AND timestamp < {end}{conditions}
GROUP BY {positions}
