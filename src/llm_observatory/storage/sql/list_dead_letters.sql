SELECT tenant, signal, digest, received_at, length(payload) FROM dead_letters ORDER BY received_at
