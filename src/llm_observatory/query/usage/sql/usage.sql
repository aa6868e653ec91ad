WITH part AS MATERIALIZED ({parts}),
{rates}
SELECT step, {groups}
{sums}
FROM priced
GROUP BY step {by_groups}
ORDER BY step, cost_usd DESC NULLS LAST, call_count DESC {by_groups}
LIMIT %(limit)s
