-- the newest
SELECT timestamp, timestamp_nanos, id
FROM llm_logs
WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s
ORDER BY timestamp DESC, timestamp_nanos DESC, id DESC
LIMIT %(limit)s

-- the newest
SELECT timestamp, timestamp_nanos, id
FROM llm_logs
WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s AND (timestamp, timestamp_nanos) >= (%(v0)s, %(v1)s::int2)
ORDER BY timestamp DESC, timestamp_nanos DESC, id DESC
LIMIT %(limit)s

-- every condition, the oldest
SELECT timestamp, timestamp_nanos, id
FROM llm_logs
WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s AND service_name = %(v0)s AND severity_number >= %(v1)s AND trace_id = %(v2)s::uuid AND span_id = %(v3)s AND event_name = %(v4)s AND ((message ILIKE %(v5)s AND message ~* %(v6)s) OR (body::text ILIKE %(v5)s AND body::text ~* %(v6)s)) AND ((message LIKE %(v7)s AND message ~* %(v8)s) OR (body::text LIKE %(v7)s AND body::text ~* %(v8)s)) AND (((("attributes" @> %(v9)s::jsonb AND NOT strpos("attributes"->>%(v10)s, '.') > 0))) OR (-- Read once before the rows, not joined to each of them; of sources there are few.
source_id = ANY(ARRAY(SELECT source_id FROM telemetry_sources WHERE tenant = %(tenant)s AND (("resource" @> %(v11)s::jsonb AND NOT strpos("resource"->>%(v12)s, '.') > 0))))
 AND (("attributes" ? %(v13)s)) IS NOT TRUE)) AND (timestamp, timestamp_nanos) >= (%(v14)s, %(v15)s::int2)
ORDER BY timestamp ASC, timestamp_nanos ASC, id ASC
LIMIT %(limit)s

-- a page
SELECT timestamp, timestamp_nanos, id
FROM llm_logs
WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s AND service_name = ANY(%(v0)s) AND (timestamp, timestamp_nanos, id) < (%(v1)s, %(v2)s::int2, %(v3)s::uuid) AND (timestamp, timestamp_nanos) >= (%(v4)s, %(v5)s::int2) AND (timestamp, timestamp_nanos) < (%(v6)s, %(v7)s::int2)
ORDER BY timestamp DESC, timestamp_nanos DESC, id DESC
LIMIT %(limit)s

-- what hours hold
SELECT source_id FROM telemetry_sources WHERE tenant = %(tenant)s AND -- Read once before the rows, not joined to each of them; of sources there are few.
source_id = ANY(ARRAY(SELECT source_id FROM telemetry_sources WHERE tenant = %(tenant)s AND (("resource" @> %(v2)s::jsonb AND NOT strpos("resource"->>%(v3)s, '.') > 0))))
 LIMIT %(limit)s

-- what hours hold
SELECT filter.hour
FROM search_filters filter
WHERE tenant = %(tenant)s AND signal = %(signal)s AND hour >= %(first)s::timestamptz - INTERVAL '1 hour' AND hour < %(last)s
    AND bits <> '' AND NOT (((get_byte(substr(bits, (mod(%(p4)s::int8, octet_length(bits) * 8) / 8)::int + 1, 1), 0) >> mod(mod(%(p4)s::int8, octet_length(bits) * 8), 8)::int & 1 = 1 AND get_byte(substr(bits, (mod(%(p5)s::int8, octet_length(bits) * 8) / 8)::int + 1, 1), 0) >> mod(mod(%(p5)s::int8, octet_length(bits) * 8), 8)::int & 1 = 1 AND get_byte(substr(bits, (mod(%(p6)s::int8, octet_length(bits) * 8) / 8)::int + 1, 1), 0) >> mod(mod(%(p6)s::int8, octet_length(bits) * 8), 8)::int & 1 = 1 AND get_byte(substr(bits, (mod(%(p7)s::int8, octet_length(bits) * 8) / 8)::int + 1, 1), 0) >> mod(mod(%(p7)s::int8, octet_length(bits) * 8), 8)::int & 1 = 1)) AND ((get_byte(substr(bits, (mod(%(p8)s::int8, octet_length(bits) * 8) / 8)::int + 1, 1), 0) >> mod(mod(%(p8)s::int8, octet_length(bits) * 8), 8)::int & 1 = 1 AND get_byte(substr(bits, (mod(%(p9)s::int8, octet_length(bits) * 8) / 8)::int + 1, 1), 0) >> mod(mod(%(p9)s::int8, octet_length(bits) * 8), 8)::int & 1 = 1 AND get_byte(substr(bits, (mod(%(p10)s::int8, octet_length(bits) * 8) / 8)::int + 1, 1), 0) >> mod(mod(%(p10)s::int8, octet_length(bits) * 8), 8)::int & 1 = 1 AND get_byte(substr(bits, (mod(%(p11)s::int8, octet_length(bits) * 8) / 8)::int + 1, 1), 0) >> mod(mod(%(p11)s::int8, octet_length(bits) * 8), 8)::int & 1 = 1)) AND ((get_byte(substr(bits, (mod(%(p12)s::int8, octet_length(bits) * 8) / 8)::int + 1, 1), 0) >> mod(mod(%(p12)s::int8, octet_length(bits) * 8), 8)::int & 1 = 1 AND get_byte(substr(bits, (mod(%(p13)s::int8, octet_length(bits) * 8) / 8)::int + 1, 1), 0) >> mod(mod(%(p13)s::int8, octet_length(bits) * 8), 8)::int & 1 = 1 AND get_byte(substr(bits, (mod(%(p14)s::int8, octet_length(bits) * 8) / 8)::int + 1, 1), 0) >> mod(mod(%(p14)s::int8, octet_length(bits) * 8), 8)::int & 1 = 1 AND get_byte(substr(bits, (mod(%(p15)s::int8, octet_length(bits) * 8) / 8)::int + 1, 1), 0) >> mod(mod(%(p15)s::int8, octet_length(bits) * 8), 8)::int & 1 = 1)))
    AND NOT EXISTS (
        SELECT FROM ingest_touched touched
        WHERE touched.tenant = filter.tenant AND touched.signal = filter.signal AND touched.hour = filter.hour
    )

-- by key
SELECT "tenant", "timestamp", "timestamp_nanos", "time_source", "observed_timestamp", "observed_timestamp_nanos", "id", "trace_id", "span_id", "service_name", "level", "severity_number", "severity_text", "event_name", "message", "body", "source_id", "attributes", "flags", "dropped_attributes_count"
FROM llm_logs
WHERE tenant = %(tenant)s AND timestamp >= %(first)s AND timestamp <= %(last)s
    AND timestamp = ANY(%(times)s) AND id = ANY(%(ids)s::uuid[])

-- by key
SELECT "tenant", "timestamp", "service_name", "trace_id", "span_id", "log_id", "kind", "carrier", "event_index", "attribute", "is_json", "body", "original_length"
FROM llm_content
WHERE tenant = %(tenant)s AND timestamp >= %(first)s AND timestamp <= %(last)s AND log_id = ANY(%(ids)s::uuid[])

-- who sent them
SELECT "tenant", "source_id", "service_name", "resource", "resource_dropped_attributes_count", "resource_schema_url", "entity_refs", "scope_name", "scope_version", "scope_attributes", "scope_dropped_attributes_count", "scope_schema_url", "last_seen" FROM telemetry_sources WHERE tenant = %(tenant)s AND source_id = ANY(%(ids)s::uuid[])

-- of requests
SELECT timestamp, timestamp_nanos, id, true
FROM llm_logs
WHERE tenant = %(tenant)s AND timestamp >= %(first)s AND timestamp <= %(last)s
    AND (substr(uuid_send(id), 7) IN (SELECT unnest(%(suffixes)s::bytea[]))) IS TRUE AND service_name = %(v0)s

-- of a request that is wide
SELECT timestamp, timestamp_nanos, id, true AND service_name = %(v0)s
FROM llm_logs
WHERE tenant = %(tenant)s AND timestamp >= %(first)s AND timestamp <= %(last)s
    AND (substr(uuid_send(id), 7) IN (SELECT unnest(%(suffixes)s::bytea[]))) IS TRUE

-- announced
SELECT digest, records, received_at, min_time, max_time, written_at
FROM log_feed
WHERE tenant = %(tenant)s AND written_at >= %(since)s::timestamptz - make_interval(secs => %(seconds)s)
ORDER BY written_at
