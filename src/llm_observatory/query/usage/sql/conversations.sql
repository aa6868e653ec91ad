WITH part AS MATERIALIZED ({parts}),
{rates},
conversation AS (
    SELECT conversation_id, min(first_time) AS first_time, max(last_time) AS last_time, count(DISTINCT trace_id) AS trace_count,
           array_agg(DISTINCT service_name) AS service_names,
           array_agg(DISTINCT model) FILTER (WHERE model <> '') AS models,
           array_agg(DISTINCT user_id) FILTER (WHERE user_id IS NOT NULL) AS user_ids,
           array_agg(DISTINCT agent_name) FILTER (WHERE agent_name IS NOT NULL) AS agent_names,
           {sums}
    FROM priced
    GROUP BY conversation_id
)
SELECT * FROM conversation
WHERE {beyond}
ORDER BY {order} DESC, conversation_id DESC
LIMIT %(limit)s
