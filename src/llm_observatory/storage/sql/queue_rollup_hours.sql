-- Every hour that holds rows, of a source whose rollup tables are new. One pass: a look-up for each hour became a join of all
-- rows with all hours (1.7 million rows took 160 s, this way a second).
INSERT INTO rollup_pending (tenant, signal, hour, pending_since)
SELECT tenant, '{signal}', hour, now()
FROM (SELECT DISTINCT tenant, date_trunc('hour', timestamp, 'UTC') AS hour FROM {source} WHERE timestamp >= %(oldest)s) filled
ON CONFLICT DO NOTHING
