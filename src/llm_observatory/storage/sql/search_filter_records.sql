SELECT source_id, {columns}
FROM {table}
WHERE tenant = %(tenant)s AND timestamp >= %(begin)s AND timestamp < %(end)s
