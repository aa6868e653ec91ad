SELECT trace_id FROM trace_index WHERE timestamp >= %s AND timestamp < %s ORDER BY timestamp LIMIT 1
