"""What a span says about an LLM call: each column, its canonical OpenTelemetry GenAI attribute, and its other names.

The order of the aliases is the order of precedence across dialects (OpenTelemetry older names, OpenInference,
OpenLLMetry, Vercel AI SDK, Langfuse, LangSmith, Logfire, LiteLLM). A renamed convention touches one line here.
Not reported is NULL, never 0. `input_tokens` includes cached tokens, `output_tokens` includes reasoning.
"""

from __future__ import annotations

from llm_observatory.tables.column import CONVERSIONS, INDEXED_TEXT_MAX_BYTES, Column, Conversion, Role, Source

ABSENT_TEXT = frozenset({"", "null", "Infinity", "NOT_GIVEN"})
"""Strings (after trimming) that emitters write for "not reported"."""

CALL_OPERATIONS = frozenset({"chat", "text_completion", "generate_content", "embeddings", "rerank", "generate"})
"""Operations that are one call of a provider: usage_role `call`."""

ROLLUP_OPERATIONS = frozenset(
    {"invoke_agent", "create_agent", "agent_step", "invoke_workflow", "chain", "plan", "execute_tool", "execute_task"}
)
"""Operations whose usage repeats that of the calls below them: usage_role `rollup`."""

CARRIER_MARK = ("logfire.span_type", "log")
"""Logfire puts the usage of a streamed call on a zero-length sibling span with this attribute: usage_role `carrier`."""

NON_CALL_SPAN_NAMES = frozenset({"raw_gen_ai_request"})
"""Spans that repeat a call's attributes without being one (LiteLLM): usage_role `none`."""

OPERATION_COLUMN = "operation"
"""The column whose value decides between `call` and `rollup`."""

USAGE_COLUMNS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
"""A span that fills one of these carries usage."""

PROVIDER_ALIASES = {
    "xai": "x_ai",
    "az.ai.openai": "azure.ai.openai",
    "az.ai.inference": "azure.ai.inference",
    "azure": "azure.ai.openai",
    "aws": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "gemini": "gcp.gemini",
    "google": "gcp.gen_ai",
    "mistralai": "mistral_ai",
    "mistral": "mistral_ai",
    "watsonx": "ibm.watsonx.ai",
    "amazon-bedrock": "aws.bedrock",
    "azure-openai": "azure.ai.openai",
    "azure.chat": "azure.ai.openai",
    "azure.responses": "azure.ai.openai",
    "google.vertex": "gcp.vertex_ai",
    "google.generative-ai": "gcp.gemini",
}
"""Lower-cased provider names in the wild and the well-known value of `gen_ai.provider.name`."""

DOTTED_PROVIDERS = frozenset({
    "openai", "anthropic", "google", "google.vertex", "google.generative-ai", "mistral", "xai", "groq", "cohere", "deepseek",
    "perplexity", "amazon-bedrock", "azure-openai", "togetherai", "fireworks",
})  # fmt: skip
"""Providers that the Vercel AI SDK writes with a suffix, `openai.responses`, `google.vertex.chat`: the two first parts, or
the first, are the provider. Well-known names with points of their own, `azure.ai.openai`, are none of them."""

FRAMEWORKS = frozenset({"langchain", "crewai", "test"})
"""Written as provider by some emitters; frameworks are not providers: NULL."""

OPERATION_ALIASES = {
    "LLM": "chat",
    "AGENT": "invoke_agent",
    "CHAIN": "chain",
    "TOOL": "execute_tool",
    "RETRIEVER": "retrieval",
    "EMBEDDING": "embeddings",
    "RERANKER": "rerank",
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "evaluator",
    "PROMPT": "prompt",
    "generation": "chat",
    "embedding": "embeddings",
    "completion": "text_completion",
    "workflow": "invoke_workflow",
    "task": "execute_task",
    "agent": "invoke_agent",
    "tool": "execute_tool",
    "llm": "chat",
    "retriever": "retrieval",
    "ai.generateText": "invoke_agent",
    "ai.streamText": "invoke_agent",
    "ai.generateObject": "invoke_agent",
    "ai.streamObject": "invoke_agent",
    "ai.generateText.doGenerate": "chat",
    "ai.streamText.doStream": "chat",
    "ai.generateObject.doGenerate": "chat",
    "ai.streamObject.doStream": "chat",
    "ai.embed": "invoke_workflow",
    "ai.embedMany": "invoke_workflow",
    "ai.embed.doEmbed": "embeddings",
    "ai.embedMany.doEmbed": "embeddings",
    "ai.rerank": "invoke_workflow",
    "ai.rerank.doRerank": "rerank",
    "ai.toolCall": "execute_tool",
}
"""Span kinds and operation ids of other dialects and the `gen_ai.operation.name` they stand for."""

FINISH_REASON_ALIASES = {
    "end_turn": "stop",
    "STOP": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "MAX_TOKENS": "length",
    "tool_use": "tool_calls",
    "tool-calls": "tool_calls",
    "tool_call": "tool_calls",
    "safety": "content_filter",
    "SAFETY": "content_filter",
    "content-filter": "content_filter",
}
"""Finish reasons in the wild and the one this project groups by. The attribute itself keeps the raw value."""


def _column(
    name: str, conversion: Conversion, canonical: str, *aliases: str | Source, description: str, role: Role = "label"
) -> Column:
    return Column(
        name=name,
        type=CONVERSIONS[conversion],
        op=Source(canonical, conversion).op,
        nullable=True,
        role=role,
        description=description,
        aliases=tuple(Source(alias, conversion) if isinstance(alias, str) else alias for alias in aliases),
    )


LLM_COLUMNS: tuple[Column, ...] = (
    _column(
        "provider",
        "provider",
        "gen_ai.provider.name",
        "llm.provider",
        "gen_ai.system",
        "llm.system",
        "ai.model.provider",
        "langsmith.metadata.ls_provider",
        "traceloop.association.properties.ls_provider",
        description="who answered: `openai`, `anthropic`, `aws.bedrock`, … (`gen_ai.provider.name`)",
    ),
    _column(
        "operation",
        "operation",
        "gen_ai.operation.name",
        "openinference.span.kind",
        "langfuse.observation.type",
        "ai.operationId",
        "llm.request.type",
        "traceloop.span.kind",
        "langsmith.span.kind",
        description="`chat`, `embeddings`, `invoke_agent`, `execute_tool`, …",
    ),
    _column(
        "request_model",
        "text",
        "gen_ai.request.model",
        "llm.request.model_name",
        "ai.model.id",
        "embedding.model_name",
        "langsmith.metadata.ls_model_name",
        "langfuse.observation.model.name",
        description="model that was asked for",
    ),
    _column(
        "response_model",
        "text",
        "gen_ai.response.model",
        "llm.response.model_name",
        "ai.response.model",
        "llm.model_name",
        "langfuse.observation.model.name",
        description="model that answered",
    ),
    _column(
        "response_id",
        "text",
        "gen_ai.response.id",
        "ai.response.id",
        "llm.response.id",
        description="the provider's id of the answer",
    ),
    _column(
        "service_tier",
        "text",
        "openai.response.service_tier",
        "gen_ai.openai.response.service_tier",
        "openai.request.service_tier",
        "gen_ai.openai.request.service_tier",
        description="the provider's tier; prices depend on it",
    ),
    _column(
        "input_tokens",
        "int",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
        "llm.usage.prompt_tokens",
        role="fact",
        description="tokens, cached ones included",
    ),
    _column(
        "output_tokens",
        "int",
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
        "llm.usage.completion_tokens",
        role="fact",
        description="tokens, reasoning ones included",
    ),
    _column(
        "cache_read_tokens",
        "int",
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cache_read_tokens",
        "gen_ai.usage.input_cached_tokens",
        "llm.token_count.prompt_details.cache_read",
        "llm.token_count.prompt_details.cache_input",
        "ai.usage.inputTokenDetails.cacheReadTokens",
        "ai.usage.cachedInputTokens",
        "gen_ai.usage.prompt_tokens_details.cached_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.usage.details.cache_read_input_tokens",
        role="fact",
        description="of the input: read from the provider's cache",
    ),
    _column(
        "cache_write_tokens",
        "int",
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_tokens",
        "gen_ai.usage.input_cache_creation",
        "llm.token_count.prompt_details.cache_write",
        "ai.usage.inputTokenDetails.cacheWriteTokens",
        "gen_ai.usage.prompt_tokens_details.cache_creation_tokens",
        "gen_ai.usage.details.cache_write_tokens",
        role="fact",
        description="of the input: written to it",
    ),
    _column(
        "reasoning_tokens",
        "int",
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "ai.usage.outputTokenDetails.reasoningTokens",
        "ai.usage.reasoningTokens",
        "gen_ai.usage.completion_tokens_details.reasoning_tokens",
        "llm.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "gen_ai.usage.details.thoughts_tokens",
        role="fact",
        description="of the output: not shown",
    ),
    Column(
        name="usage_role", type="text", op="llm.usage_role", role="label", description="whether these tokens are to be summed"
    ),
    _column(
        "reported_cost_usd",
        "float",
        "gen_ai.usage.cost",
        "gen_ai.cost.total_cost",
        "operation.cost",
        "llm.cost.total",
        "gen_ai.usage.total_cost",
        role="fact",
        description="US dollars, as the client reckoned",
    ),
    _column(
        "ttft_ms",
        "seconds_to_ms",
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.client.operation.time_to_first_chunk",
        Source("ai.stream.msToFirstChunk", "float"),
        Source("ai.response.msToFirstChunk", "float"),
        role="fact",
        description="milliseconds to the first chunk",
    ),
    _column(
        "is_streaming",
        "bool",
        "gen_ai.request.stream",
        "gen_ai.is_streaming",
        "llm.is_streaming",
        description="whether the answer was streamed",
    ),
    _column(
        "finish_reasons",
        "finish_reasons",
        "gen_ai.response.finish_reasons",
        "llm.finish_reason",
        "gen_ai.response.finish_reason",
        "ai.response.finishReason",
        "anthropic.message.stop_reason",
        "gen_ai.finishReason",
        "llm.response.finish_reason",
        "llm.response.stop_reason",
        description="`stop`, `length`, `tool_calls`, `content_filter`, …",
    ),
    _column(
        "conversation_id",
        "text",
        "gen_ai.conversation.id",
        "session.id",
        "langfuse.session.id",
        "langsmith.metadata.thread_id",
        "langsmith.metadata.session_id",
        "langsmith.metadata.conversation_id",
        "traceloop.association.properties.session_id",
        "traceloop.association.properties.thread_id",
        "traceloop.association.properties.conversation_id",
        "ai.telemetry.metadata.sessionId",
        "gen_ai.session.id",
        "gen_ai.openai.thread.id",
        role="id",
        description="conversation, session or thread",
    ),
    _column(
        "user_id",
        "text",
        "user.id",
        "enduser.id",
        "langfuse.user.id",
        "gen_ai.user.id",
        "gen_ai.user",
        "gen_ai.request.user",
        "llm.user",
        "traceloop.association.properties.user_id",
        "langsmith.metadata.user_id",
        "ai.telemetry.metadata.userId",
        role="id",
        description="the application's user",
    ),
    _column(
        "agent_name",
        "text",
        "gen_ai.agent.name",
        "agent.name",
        "agent_name",
        "ai.telemetry.functionId",
        "graph.node.name",
        description="agent",
    ),
    _column("tool_name", "text", "gen_ai.tool.name", "tool.name", "ai.toolCall.name", "mcp.tool.name", description="tool"),
    _column("error_type", "text", "error.type", description="`error.type`"),
    _column(
        "temperature", "float", "gen_ai.request.temperature", "ai.settings.temperature", role="fact", description="as asked"
    ),
    _column("top_p", "float", "gen_ai.request.top_p", "ai.settings.topP", "llm.top_p", role="fact", description="as asked"),
    _column(
        "max_tokens",
        "int",
        "gen_ai.request.max_tokens",
        "gen_ai.request.max_completion_tokens",
        "ai.settings.maxTokens",
        "ai.settings.maxOutputTokens",
        role="fact",
        description="as asked",
    ),
    _column(
        "prompt_name",
        "text",
        "gen_ai.prompt.name",
        "langfuse.observation.prompt.name",
        "traceloop.prompt.key",
        "prompt.id",
        description="prompt template",
    ),
    _column(
        "prompt_version",
        "text",
        "gen_ai.prompt.version",
        "langfuse.observation.prompt.version",
        "traceloop.prompt.version",
        "llm.prompt_template.version",
        description="its version",
    ),
    Column(
        name="environment",
        type="text",
        op=Source("deployment.environment.name", "text", "resource").op,
        nullable=True,
        role="label",
        max_bytes=INDEXED_TEXT_MAX_BYTES,
        aliases=(Source("deployment.environment", "text", "resource"), Source("langfuse.environment")),
        description="`deployment.environment.name` of the resource",
    ),
)
