"""What the demo application does: five calls of a provider under one span of its own, and one line in its log."""

from __future__ import annotations

import logging

from openai import OpenAI, RateLimitError
from opentelemetry.trace import Tracer

from demo.provider import BUSY_MODEL

CHAT_MODEL = "gpt-5-mini"
EMBEDDING_MODEL = "text-embedding-3-small"

LOGGER = logging.getLogger(__name__)


def _chat(client: OpenAI) -> None:
    completion = client.chat.completions.create(
        model=CHAT_MODEL,
        messages=[
            {"role": "system", "content": "Answer in one sentence."},
            {"role": "user", "content": "What is a span?"},
        ],
        temperature=0.2,
        max_completion_tokens=200,
    )
    answer = completion.choices[0].message.content or ""
    LOGGER.info("%s answered in %d words", completion.model, len(answer.split()))


def _chat_stream(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model=CHAT_MODEL,
        messages=[{"role": "user", "content": "What is a span? Take your time."}],
        stream=True,
        stream_options={"include_usage": True},
    )
    for _ in stream:
        pass


def _chat_with_tool(client: OpenAI) -> None:
    client.chat.completions.create(
        model=CHAT_MODEL,
        messages=[{"role": "user", "content": "What is the weather in Paris?"}],
        tools=[
            {
                "type": "function",
                "function": {
                    "name": "get_weather",
                    "description": "The weather of a city.",
                    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
                },
            }
        ],
    )


def _embed(client: OpenAI) -> None:
    client.embeddings.create(model=EMBEDDING_MODEL, input="one timed step of a trace")


def _rate_limited(client: OpenAI) -> None:
    try:
        client.chat.completions.create(model=BUSY_MODEL, messages=[{"role": "user", "content": "Are you there?"}])
    except RateLimitError:
        return
    message = "the fake provider should have answered 429"
    raise AssertionError(message)


def run(base_url: str, tracer: Tracer) -> None:
    """Make the calls, one after the other, under one span."""
    with (
        OpenAI(base_url=base_url, api_key="demo", max_retries=0) as client,
        tracer.start_as_current_span("answer a question"),
    ):
        for call in (_chat, _chat_stream, _chat_with_tool, _embed, _rate_limited):
            call(client)
