-- A trace ends on its day, as far as it matters: the last three minutes begin none.
WITH traces AS MATERIALIZED (
    SELECT 1 + (i - 1) %% {pooled} AS number, gen_random_uuid() AS new_id,
           %s::timestamptz + random() * interval '23:57' AS began,
           exp(0.3 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())) AS slower, 0.5 + random() AS longer
    FROM generate_series(1, %s::int) AS i
)
INSERT INTO llm_traces ({columns})
SELECT {values} FROM traces JOIN benchmark_pool pool USING (number) ORDER BY began + later * slower
