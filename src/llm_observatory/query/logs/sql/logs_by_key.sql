SELECT {columns}
FROM llm_logs
WHERE tenant = %(tenant)s AND timestamp >= %(first)s AND timestamp <= %(last)s
    AND timestamp = ANY(%(times)s) AND id = ANY(%(ids)s::uuid[])
