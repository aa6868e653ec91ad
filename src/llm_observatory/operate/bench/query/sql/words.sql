SELECT DISTINCT substring(message FROM '[0-9]{4}') FROM llm_logs
WHERE timestamp >= %s AND timestamp < %s AND message ~ '[0-9]{4}' ORDER BY 1 LIMIT 500
