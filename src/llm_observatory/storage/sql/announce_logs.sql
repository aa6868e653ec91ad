INSERT INTO log_feed (tenant, digest, records, received_at, min_time, max_time) VALUES {rows}
