SELECT {columns}
FROM llm_content
WHERE tenant = %(tenant)s AND timestamp >= %(first)s AND timestamp <= %(last)s AND log_id = ANY(%(ids)s::uuid[])
