-- A span that was stored twice says it once: of what its copies said in the same place the longest.
SELECT trace_id, span_id, kind, carrier, attribute, body, is_json, original_length
FROM (
    SELECT DISTINCT ON (trace_id, span_id, log_id, carrier, event_index, attribute) *
    FROM llm_content
    WHERE tenant = %(tenant)s AND timestamp >= %(first)s AND timestamp <= %(last)s
      AND trace_id = ANY(%(traces)s::uuid[]) AND span_id = ANY(%(spans)s)
    ORDER BY trace_id, span_id, log_id, carrier, event_index, attribute, original_length DESC, timestamp, body
) AS said
ORDER BY trace_id, span_id, timestamp, log_id NULLS FIRST, carrier = 'span_attribute' DESC, event_index NULLS FIRST,
         array_position(
             ARRAY['system_instructions', 'tool_definitions', 'documents', 'input', 'tool_arguments', 'tool_result', 'output'], kind
         ), attribute
