conversation_id, trace_id, service_name, coalesce(nullif(response_model, ''), request_model, '') AS model, user_id, agent_name,
