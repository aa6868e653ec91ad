-- The views that people and queries read spans through.
--
-- An attribute that filled a column leaves the document only if the column alone gives it back, and only if no other name of it
-- is on the span. So the way back: the canonical attribute, unless the document has it or one of its other names.
-- The document writes doubles with a point, and those that jsonb would change as {"$double": "…"}, in the words of the codec:
-- PostgreSQL says -0 for "-0.0", and from 1e15 on, not from 1e16 on, it writes an exponent.
--
-- trace_id and span_id are text, as people write them; trace_uuid and span_bytes are what tables and indexes have.

-- migrate:up
CREATE VIEW trace_spans AS
SELECT
    t.tenant, t.timestamp, t.timestamp_nanos,
    encode(uuid_send(t.trace_id), 'hex') AS trace_id,
    t.trace_id AS trace_uuid,
    encode(t.span_id, 'hex') AS span_id,
    t.span_id AS span_bytes,
    encode(t.parent_span_id, 'hex') AS parent_span_id,
    t.trace_state, t.flags, t.is_entry, t.service_name, t.span_name, t.span_kind, t.duration_ns, t.duration_ms,
    t.status_code, t.status_message, t.source_id, t.provider, t.operation, t.request_model, t.response_model,
    t.response_id, t.service_tier, t.input_tokens, t.output_tokens, t.cache_read_tokens, t.cache_write_tokens,
    t.reasoning_tokens, t.usage_role, t.reported_cost_usd, t.ttft_ms, t.is_streaming, t.finish_reasons,
    t.conversation_id, t.user_id, t.agent_name, t.tool_name, t.error_type, t.temperature, t.top_p, t.max_tokens,
    t.prompt_name, t.prompt_version, t.environment,
    coalesce((
        SELECT jsonb_object_agg(p.key, CASE
            WHEN p.double IS NULL THEN p.value
            WHEN p.double::text = '-0' THEN '{"$double": "-0.0"}'
            WHEN abs(p.double) < 1e15 THEN to_jsonb(p.double::text::numeric + 0.0)
            WHEN abs(p.double) < 1e16 THEN jsonb_build_object('$double', (p.double::text::numeric + 0.0)::text)
            ELSE jsonb_build_object('$double', p.double::text)
        END)
        FROM (VALUES
            ('gen_ai.provider.name', to_jsonb(t.provider), NULL::float8,
                '{llm.provider, gen_ai.system, llm.system, ai.model.provider, langsmith.metadata.ls_provider,
                traceloop.association.properties.ls_provider}'::text[]),
            ('gen_ai.operation.name', to_jsonb(t.operation), NULL,
                '{openinference.span.kind, langfuse.observation.type, ai.operationId, llm.request.type, traceloop.span.kind,
                langsmith.span.kind}'),
            ('gen_ai.request.model', to_jsonb(t.request_model), NULL,
                '{llm.request.model_name, ai.model.id, embedding.model_name, langsmith.metadata.ls_model_name,
                langfuse.observation.model.name}'),
            ('gen_ai.response.model', to_jsonb(t.response_model), NULL,
                '{llm.response.model_name, ai.response.model, llm.model_name, langfuse.observation.model.name}'),
            ('gen_ai.response.id', to_jsonb(t.response_id), NULL, '{ai.response.id, llm.response.id}'),
            ('openai.response.service_tier', to_jsonb(t.service_tier), NULL,
                '{gen_ai.openai.response.service_tier, openai.request.service_tier, gen_ai.openai.request.service_tier}'),
            ('gen_ai.usage.input_tokens', to_jsonb(t.input_tokens), NULL,
                '{gen_ai.usage.prompt_tokens, llm.token_count.prompt, ai.usage.inputTokens, ai.usage.promptTokens,
                llm.usage.prompt_tokens}'),
            ('gen_ai.usage.output_tokens', to_jsonb(t.output_tokens), NULL,
                '{gen_ai.usage.completion_tokens, llm.token_count.completion, ai.usage.outputTokens,
                ai.usage.completionTokens, llm.usage.completion_tokens}'),
            ('gen_ai.usage.cache_read.input_tokens', to_jsonb(t.cache_read_tokens), NULL,
                '{gen_ai.usage.cache_read_input_tokens, gen_ai.usage.cache_read_tokens, gen_ai.usage.input_cached_tokens,
                llm.token_count.prompt_details.cache_read, llm.token_count.prompt_details.cache_input,
                ai.usage.inputTokenDetails.cacheReadTokens, ai.usage.cachedInputTokens,
                gen_ai.usage.prompt_tokens_details.cached_tokens, gen_ai.usage.details.cache_read_tokens,
                gen_ai.usage.details.cache_read_input_tokens}'),
            ('gen_ai.usage.cache_write.input_tokens', to_jsonb(t.cache_write_tokens), NULL,
                '{gen_ai.usage.cache_creation.input_tokens, gen_ai.usage.cache_creation_input_tokens,
                gen_ai.usage.cache_write_tokens, gen_ai.usage.input_cache_creation,
                llm.token_count.prompt_details.cache_write, ai.usage.inputTokenDetails.cacheWriteTokens,
                gen_ai.usage.prompt_tokens_details.cache_creation_tokens, gen_ai.usage.details.cache_write_tokens}'),
            ('gen_ai.usage.reasoning.output_tokens', to_jsonb(t.reasoning_tokens), NULL,
                '{gen_ai.usage.reasoning_tokens, llm.token_count.completion_details.reasoning,
                ai.usage.outputTokenDetails.reasoningTokens, ai.usage.reasoningTokens,
                gen_ai.usage.completion_tokens_details.reasoning_tokens, llm.usage.reasoning_tokens,
                gen_ai.usage.details.reasoning_tokens, gen_ai.usage.details.thoughts_tokens}'),
            ('gen_ai.usage.cost', to_jsonb(t.reported_cost_usd), t.reported_cost_usd,
                '{gen_ai.cost.total_cost, operation.cost, llm.cost.total, gen_ai.usage.total_cost}'),
            ('gen_ai.request.stream', to_jsonb(t.is_streaming), NULL, '{gen_ai.is_streaming, llm.is_streaming}'),
            ('gen_ai.response.finish_reasons', to_jsonb(t.finish_reasons), NULL,
                '{llm.finish_reason, gen_ai.response.finish_reason, ai.response.finishReason, gen_ai.finishReason,
                llm.response.finish_reason, llm.response.stop_reason}'),
            ('gen_ai.conversation.id', to_jsonb(t.conversation_id), NULL,
                '{session.id, langfuse.session.id, langsmith.metadata.thread_id, langsmith.metadata.session_id,
                langsmith.metadata.conversation_id, traceloop.association.properties.session_id,
                traceloop.association.properties.thread_id, traceloop.association.properties.conversation_id,
                ai.telemetry.metadata.sessionId, gen_ai.session.id, gen_ai.openai.thread.id}'),
            ('user.id', to_jsonb(t.user_id), NULL,
                '{enduser.id, langfuse.user.id, gen_ai.user.id, gen_ai.user, gen_ai.request.user, llm.user,
                traceloop.association.properties.user_id, langsmith.metadata.user_id, ai.telemetry.metadata.userId}'),
            ('gen_ai.agent.name', to_jsonb(t.agent_name), NULL,
                '{agent.name, agent_name, ai.telemetry.functionId, graph.node.name}'),
            ('gen_ai.tool.name', to_jsonb(t.tool_name), NULL, '{tool.name, ai.toolCall.name, mcp.tool.name}'),
            ('error.type', to_jsonb(t.error_type), NULL, '{}'),
            ('gen_ai.request.temperature', to_jsonb(t.temperature), t.temperature, '{ai.settings.temperature}'),
            ('gen_ai.request.top_p', to_jsonb(t.top_p), t.top_p, '{ai.settings.topP, llm.top_p}'),
            ('gen_ai.request.max_tokens', to_jsonb(t.max_tokens), NULL,
                '{gen_ai.request.max_completion_tokens, ai.settings.maxTokens, ai.settings.maxOutputTokens}'),
            ('gen_ai.prompt.name', to_jsonb(t.prompt_name), NULL,
                '{langfuse.observation.prompt.name, traceloop.prompt.key, prompt.id}'),
            ('gen_ai.prompt.version', to_jsonb(t.prompt_version), NULL,
                '{langfuse.observation.prompt.version, traceloop.prompt.version, llm.prompt_template.version}')
        ) p (key, value, double, other_names)
        WHERE p.value IS NOT NULL AND NOT t.attributes ?| p.other_names
    ), '{}') || t.attributes AS attributes,
    t.events, t.links, t.dropped_attributes_count, t.dropped_events_count, t.dropped_links_count,
    s.resource, s.resource_dropped_attributes_count, s.resource_schema_url, s.entity_refs, s.scope_name,
    s.scope_version, s.scope_attributes, s.scope_dropped_attributes_count, s.scope_schema_url
FROM llm_traces t
LEFT JOIN telemetry_sources s ON s.tenant = t.tenant AND s.source_id = t.source_id;

-- A JSON text that was cut cannot be parsed: it stands here as a string. So does a family, under the family's name.
-- One read of the content of a span serves both columns. Being an aggregate on the nullable side of a join it is left out
-- when neither is asked for.
CREATE VIEW trace_spans_full AS
SELECT
    s.tenant, s.timestamp, s.timestamp_nanos, s.trace_id, s.trace_uuid, s.span_id, s.span_bytes, s.parent_span_id,
    s.trace_state, s.flags, s.is_entry, s.service_name, s.span_name, s.span_kind, s.duration_ns, s.duration_ms, s.status_code,
    s.status_message, s.source_id, s.provider, s.operation, s.request_model, s.response_model, s.response_id,
    s.service_tier, s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cache_write_tokens, s.reasoning_tokens,
    s.usage_role, s.reported_cost_usd, s.ttft_ms, s.is_streaming, s.finish_reasons, s.conversation_id, s.user_id,
    s.agent_name, s.tool_name, s.error_type, s.temperature, s.top_p, s.max_tokens, s.prompt_name, s.prompt_version,
    s.environment,
    coalesce((
        SELECT jsonb_object_agg(said.key, said.value)
        FROM jsonb_array_elements(c.of_span) item
        CROSS JOIN LATERAL jsonb_each(item) said
    ), '{}') || s.attributes AS attributes,
    s.events, s.links, s.dropped_attributes_count, s.dropped_events_count, s.dropped_links_count,
    s.resource, s.resource_dropped_attributes_count, s.resource_schema_url, s.entity_refs, s.scope_name,
    s.scope_version, s.scope_attributes, s.scope_dropped_attributes_count, s.scope_schema_url,
    c.content
FROM trace_spans s
LEFT JOIN LATERAL (
    SELECT
        jsonb_agg(
            jsonb_build_object(
                'kind', c.kind, 'carrier', c.carrier, 'event_index', c.event_index, 'attribute', c.attribute,
                'is_json', c.is_json, 'body', c.body, 'original_length', c.original_length
            )
            ORDER BY c.event_index NULLS FIRST, c.attribute
        ) AS content,
        jsonb_agg(CASE
            WHEN NOT c.is_json OR octet_length(c.body) <> c.original_length THEN jsonb_build_object(c.attribute, c.body)
            WHEN right(c.attribute, 2) IN ('.#', '.*') AND starts_with(c.body, '{') THEN c.body::jsonb
            ELSE jsonb_build_object(c.attribute, c.body::jsonb)
        END) FILTER (WHERE c.carrier = 'span_attribute') AS of_span
    FROM llm_content c
    WHERE c.tenant = s.tenant AND c.timestamp = s.timestamp AND c.trace_id = s.trace_uuid AND c.span_id = s.span_bytes
        AND c.log_id IS NULL
) c ON true;

CREATE VIEW trace_events AS
SELECT
    t.tenant, t.timestamp, encode(uuid_send(t.trace_id), 'hex') AS trace_id, t.trace_id AS trace_uuid,
    encode(t.span_id, 'hex') AS span_id, t.service_name, t.span_name,
    event.place - 1 AS event_index,
    -- In whole hours and the rest: a double, by which intervals are multiplied, does not hold all microseconds until 2262.
    'epoch'::timestamptz + time.ns / 3600000000000 * interval '1 hour'
        + time.ns % 3600000000000 / 1000 * interval '1 microsecond' AS event_timestamp,
    (time.ns % 1000)::int2 AS event_timestamp_nanos,
    time.ns AS time_unix_nano,
    coalesce(event.document ->> 'name', '') AS event_name,
    coalesce(event.document -> 'attributes', '{}') AS attributes,
    coalesce((event.document ->> 'dropped_attributes_count')::int8, 0) AS dropped_attributes_count
FROM llm_traces t
CROSS JOIN LATERAL jsonb_array_elements(t.events) WITH ORDINALITY event (document, place)
CROSS JOIN LATERAL (SELECT (event.document ->> 'time_unix_nano')::int8 AS ns) time;

CREATE VIEW trace_links AS
SELECT
    t.tenant, t.timestamp, encode(uuid_send(t.trace_id), 'hex') AS trace_id, t.trace_id AS trace_uuid,
    encode(t.span_id, 'hex') AS span_id, t.service_name, t.span_name,
    link.place - 1 AS link_index,
    link.document ->> 'trace_id' AS linked_trace_id,
    (link.document ->> 'trace_id')::uuid AS linked_trace_uuid,
    link.document ->> 'span_id' AS linked_span_id,
    link.document ->> 'trace_state' AS trace_state,
    coalesce(link.document -> 'attributes', '{}') AS attributes,
    coalesce((link.document ->> 'dropped_attributes_count')::int8, 0) AS dropped_attributes_count,
    coalesce((link.document ->> 'flags')::int8, 0) AS flags
FROM llm_traces t
CROSS JOIN LATERAL jsonb_array_elements(t.links) WITH ORDINALITY link (document, place);

COMMENT ON VIEW trace_spans IS 'Spans with ids in hex, all attributes but content, resource and scope.';
COMMENT ON VIEW trace_spans_full IS 'trace_spans with their content among the attributes, and as an array of its own.';
COMMENT ON VIEW trace_events IS 'One row per span event; timestamp is the start of its span.';
COMMENT ON VIEW trace_links IS 'One row per span link; timestamp is the start of its span.';

-- migrate:down
DROP VIEW trace_links, trace_events, trace_spans_full, trace_spans;
