SELECT DISTINCT attributes->>'app.request_id' FROM benchmark_pool WHERE attributes->>'app.request_id' IS NOT NULL ORDER BY 1
