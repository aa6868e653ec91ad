"""What emitters write for providers, operations and finish reasons, and the well-known names that these are."""

from __future__ import annotations

ABSENT_TEXT = frozenset({"", "null", "Infinity", "NOT_GIVEN"})
"""Strings (after trimming) that emitters write for "not reported"."""

CALL_OPERATIONS = frozenset({"chat", "text_completion", "generate_content", "embeddings", "rerank", "generate"})
"""Operations that are one call of a provider: usage_role `call`."""

ROLLUP_OPERATIONS = frozenset({
    "invoke_agent", "create_agent", "agent_step", "invoke_workflow", "chain", "plan", "execute_tool", "execute_task",
})  # fmt: skip
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
"""Providers that the Vercel AI SDK writes with a suffix, `openai.responses`, `google.vertex.chat`."""

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
