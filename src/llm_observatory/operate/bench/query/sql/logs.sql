-- Every record of the pool in turn, at any time of the day.
INSERT INTO llm_logs ({columns}) SELECT {values}
FROM (SELECT 1 + (i - 1) %% {pooled} AS number, %s::timestamptz + random() * interval '23:59' AS began
      FROM generate_series(1, %s::int) AS i) AS records
JOIN benchmark_logs_pool pool USING (number) ORDER BY began
