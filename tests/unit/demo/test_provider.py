"""The fake provider answers as the OpenAI API does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from demo import provider

CHAT = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hello"}]}


def test_chat_reports_cached_and_reasoning_tokens() -> None:
    answer = provider.reply("/v1/chat/completions", CHAT)
    completion = ChatCompletion.model_validate_json(answer.body, strict=True)
    assert (answer.status, completion.choices[0].finish_reason) == (200, "stop")
    assert completion.usage is not None
    assert completion.usage.prompt_tokens_details is not None
    assert completion.usage.prompt_tokens_details.cached_tokens == 64
    assert completion.usage.completion_tokens_details is not None
    assert completion.usage.completion_tokens_details.reasoning_tokens == 16


def test_chat_with_tools_calls_the_first_one() -> None:
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": {}}}]
    completion = ChatCompletion.model_validate_json(provider.reply("/v1/chat/completions", CHAT | {"tools": tools}).body)
    calls = completion.choices[0].message.tool_calls
    assert completion.choices[0].finish_reason == "tool_calls"
    assert calls is not None
    assert calls[0].type == "function"
    assert calls[0].function.name == "get_weather"


def chunks(request: dict[str, Any]) -> list[ChatCompletionChunk]:
    answer = provider.reply("/v1/chat/completions", request)
    assert answer.content_type == "text/event-stream"
    events = answer.body.decode().removesuffix("\n\n").split("\n\n")
    assert events[-1] == "data: [DONE]"
    return [ChatCompletionChunk.model_validate_json(event.removeprefix("data: ")) for event in events[:-1]]


def test_stream_ends_with_usage_when_asked() -> None:
    parts = chunks(CHAT | {"stream": True, "stream_options": {"include_usage": True}})
    assert parts[-1].choices == []
    assert parts[-1].usage is not None
    assert parts[-1].usage.total_tokens == 165
    text = "".join(choice.delta.content or "" for part in parts for choice in part.choices)
    assert text.split() == provider.ANSWER.split()


def test_stream_has_no_usage_when_not_asked() -> None:
    assert all(part.usage is None for part in chunks(CHAT | {"stream": True}))


def test_embeddings() -> None:
    answer = provider.reply("/v1/embeddings", {"model": "text-embedding-3-small", "input": "x"})
    assert CreateEmbeddingResponse.model_validate_json(answer.body).usage.prompt_tokens == 6


@pytest.mark.parametrize(
    "path, model, status",
    [("/v1/chat/completions", provider.BUSY_MODEL, 429), ("/v1/images", "gpt-5-mini", 404)],
)
def test_errors_have_the_shape_clients_parse(path: str, model: str, status: int) -> None:
    answer = provider.reply(path, {"model": model})
    assert answer.status == status
    assert set(json.loads(answer.body)["error"]) == {"message", "type", "param", "code"}
