SELECT trace_id, span_id, kind, carrier, attribute, body, is_json, original_length
FROM llm_content
WHERE tenant = %(tenant)s AND timestamp >= %(first)s AND timestamp <= %(last)s
  AND trace_id = ANY(%(traces)s::uuid[]) AND span_id = ANY(%(spans)s)
ORDER BY trace_id, span_id, timestamp, log_id NULLS FIRST, carrier = 'span_attribute' DESC, event_index NULLS FIRST,
         array_position(
             ARRAY['system_instructions', 'tool_definitions', 'documents', 'input', 'tool_arguments', 'tool_result', 'output'], kind
         ), attribute
