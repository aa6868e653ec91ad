"""One sample span per dialect, with the columns a reader expects and what is left in the document."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.codec.spans import row

OPENTELEMETRY: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5",
    "gen_ai.response.model": "gpt-5-2026-01-01",
    "gen_ai.response.id": "resp_1",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 20,
    "gen_ai.usage.cache_read.input_tokens": 60,
    "gen_ai.usage.cache_write.input_tokens": 30,
    "gen_ai.usage.reasoning.output_tokens": 5,
    "gen_ai.request.temperature": 0.2,
    "gen_ai.request.top_p": 0.9,
    "gen_ai.request.max_tokens": 256,
    "gen_ai.request.stream": True,
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.conversation.id": "conv-1",
    "openai.response.service_tier": "flex",
    "error.type": "timeout",
}

SAMPLES: dict[str, tuple[dict[str, Any], dict[str, Any], set[str]]] = {
    "OpenTelemetry": (
        OPENTELEMETRY | {"server.address": "api.openai.com"},
        {
            "operation": "chat",
            "provider": "openai",
            "request_model": "gpt-5",
            "response_model": "gpt-5-2026-01-01",
            "response_id": "resp_1",
            "input_tokens": 100,
            "output_tokens": 20,
            "cache_read_tokens": 60,
            "cache_write_tokens": 30,
            "reasoning_tokens": 5,
            "temperature": 0.2,
            "top_p": 0.9,
            "max_tokens": 256,
            "is_streaming": True,
            "finish_reasons": ["stop"],
            "conversation_id": "conv-1",
            "service_tier": "flex",
            "error_type": "timeout",
            "usage_role": "call",
        },
        set(OPENTELEMETRY),
    ),
    "OpenTelemetry before 1.37": (
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "az.ai.openai",
            "gen_ai.usage.prompt_tokens": 10,
            "gen_ai.usage.completion_tokens": 2,
            "gen_ai.usage.cache_creation.input_tokens": 4,
            "gen_ai.openai.response.service_tier": "default",
        },
        {
            "operation": "chat",
            "provider": "azure.ai.openai",
            "input_tokens": 10,
            "output_tokens": 2,
            "cache_write_tokens": 4,
            "service_tier": "default",
            "usage_role": "call",
        },
        {"gen_ai.operation.name"},
    ),
    "OpenInference": (
        {
            "openinference.span.kind": "LLM",
            "llm.provider": "anthropic",
            "llm.model_name": "claude-5",
            "llm.token_count.prompt": 100,
            "llm.token_count.completion": 7,
            "llm.token_count.prompt_details.cache_read": 60,
            "llm.token_count.prompt_details.cache_write": 30,
            "llm.token_count.completion_details.reasoning": 3,
            "llm.finish_reason": "end_turn",
            "session.id": "s-1",
            "user.id": "u-1",
            "llm.cost.total": 0.01,
        },
        {
            "operation": "chat",
            "provider": "anthropic",
            "response_model": "claude-5",
            "input_tokens": 100,
            "output_tokens": 7,
            "cache_read_tokens": 60,
            "cache_write_tokens": 30,
            "reasoning_tokens": 3,
            "finish_reasons": ["stop"],
            "conversation_id": "s-1",
            "user_id": "u-1",
            "reported_cost_usd": 0.01,
            "usage_role": "call",
        },
        {"user.id"},
    ),
    "Traceloop": (
        {
            "traceloop.span.kind": "workflow",
            "gen_ai.system": "Anthropic",
            "gen_ai.usage.cache_read_input_tokens": 1,
            "llm.is_streaming": "True",
            "traceloop.association.properties.session_id": 17,
            "traceloop.prompt.key": "greeting",
            "traceloop.prompt.version": 3,
        },
        {
            "operation": "invoke_workflow",
            "provider": "anthropic",
            "cache_read_tokens": 1,
            "is_streaming": True,
            "conversation_id": "17",
            "prompt_name": "greeting",
            "prompt_version": "3",
            "usage_role": "rollup",
        },
        set(),
    ),
    "Vercel AI SDK, legacy, inner": (
        {
            "ai.operationId": "ai.streamText.doStream",
            "ai.model.provider": "openai.responses",
            "ai.model.id": "gpt-5",
            "ai.response.model": "gpt-5-x",
            "ai.response.finishReason": "tool-calls",
            "ai.response.msToFirstChunk": 12.5,
            "ai.usage.inputTokens": "100",
            "ai.usage.outputTokens": 20.0,
            "ai.usage.cachedInputTokens": 60,
            "ai.settings.temperature": 1,
            "ai.telemetry.functionId": "planner",
        },
        {
            "operation": "chat",
            "provider": "openai",
            "request_model": "gpt-5",
            "response_model": "gpt-5-x",
            "finish_reasons": ["tool_calls"],
            "ttft_ms": 12.5,
            "input_tokens": 100,
            "output_tokens": 20,
            "cache_read_tokens": 60,
            "temperature": 1.0,
            "agent_name": "planner",
            "usage_role": "call",
        },
        set(),
    ),
    "Vercel AI SDK, legacy, outer": (
        {"ai.operationId": "ai.streamText", "ai.usage.inputTokens": 100},
        {"operation": "invoke_agent", "input_tokens": 100, "usage_role": "rollup"},
        set(),
    ),
    "Logfire, usage of a stream": (
        {
            "logfire.span_type": "log",
            "gen_ai.operation.name": "chat",
            "gen_ai.response.finish_reasons": '["stop"]',
            "gen_ai.usage.input_tokens": 5,
            "operation.cost": 0.5,
            "gen_ai.client.operation.time_to_first_chunk": 0.5,
        },
        {
            "operation": "chat",
            "finish_reasons": ["stop"],
            "input_tokens": 5,
            "reported_cost_usd": 0.5,
            "ttft_ms": 500.0,
            "usage_role": "carrier",
        },
        {"gen_ai.operation.name", "gen_ai.usage.input_tokens"},
    ),
    "LiteLLM": (
        {
            "gen_ai.operation.name": "completion",
            "gen_ai.system": "bedrock",
            "gen_ai.cost.total_cost": 0.002,
            "llm.user": "None-but-text",
            "llm.is_streaming": "False",
            "gen_ai.response.id": "",
        },
        {
            "operation": "text_completion",
            "provider": "aws.bedrock",
            "reported_cost_usd": 0.002,
            "user_id": "None-but-text",
            "is_streaming": False,
            "usage_role": "call",
        },
        set(),
    ),
    "no LLM at all": ({"http.request.method": "GET"}, {"usage_role": "none"}, set()),
}

LLM_COLUMNS = [
    *SAMPLES["OpenTelemetry"][1],
    "reported_cost_usd",
    "ttft_ms",
    "user_id",
    "agent_name",
    "prompt_name",
    "prompt_version",
]


@pytest.mark.parametrize("dialect", SAMPLES)
def test_dialect(dialect: str) -> None:
    items, expected, promoted = SAMPLES[dialect]
    found = row(items)
    assert {name: found[name] for name in LLM_COLUMNS if found[name] is not None} == expected
    assert found["attributes"] == {key: value for key, value in items.items() if key not in promoted}


@pytest.mark.parametrize(
    "items, name, expected",
    [
        ({"gen_ai.operation.name": "embeddings"}, "x", "call"),
        ({"gen_ai.operation.name": "rerank"}, "x", "call"),
        ({"openinference.span.kind": "AGENT", "llm.token_count.prompt": 5}, "x", "rollup"),
        ({"gen_ai.operation.name": "execute_tool"}, "x", "rollup"),
        ({"gen_ai.operation.name": "retrieval"}, "x", "none"),
        ({"gen_ai.usage.input_tokens": 5}, "x", "none"),
        ({"logfire.span_type": "log", "gen_ai.operation.name": "chat"}, "x", "none"),
        ({"logfire.span_type": "log", "gen_ai.usage.output_tokens": 0}, "x", "carrier"),
        ({"logfire.span_type": "span", "gen_ai.operation.name": "chat"}, "x", "call"),
        ({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 5}, "raw_gen_ai_request", "none"),
    ],
)
def test_usage_role(items: dict[str, Any], name: str, expected: str) -> None:
    assert row(items, name=name)["usage_role"] == expected
