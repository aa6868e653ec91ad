INSERT INTO log_feed (tenant, digest, records, received_at, min_time, max_time)
SELECT tenant, digest, records, received_at, min_time, max_time
FROM unnest(%b::text[], %b::bytea[], %b::int8[], %b::timestamptz[], %b::timestamptz[], %b::timestamptz[])
    AS request (tenant, digest, records, received_at, min_time, max_time)
