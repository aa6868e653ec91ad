-- IS TRUE keeps it a table of hashes: joined, it may be a loop in a loop, for of rows that are new the planner expects one.
SELECT timestamp, timestamp_nanos, id, {wanted}
FROM llm_logs
WHERE tenant = %(tenant)s AND timestamp >= %(first)s AND timestamp <= %(last)s
    AND (substr(uuid_send(id), 7) IN (SELECT unnest(%(suffixes)s::bytea[]))) IS TRUE{conditions}
