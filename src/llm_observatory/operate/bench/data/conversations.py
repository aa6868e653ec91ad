"""Requests of spans: each one service's, of traces of an imagined assistant, with or without what was said."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from llm_observatory.operate.bench.data import assistant
from llm_observatory.operate.bench.data.template import Marks, Template

_SENTENCES = (
    "Please tell me when order number {} was sent.",
    "The customer asks again and we could not find any document about returns of {}.",
    "The policy of {} days applies unless the item was opened.",
    "It was damaged on its way to you, and {} others were, too.",
)


def template(span_bytes: int) -> Callable[[Random, int], Template]:
    """Requests whose spans have about so many bytes; 0: what an assistant's spans have without content."""

    def make(random: Random, items: int) -> Template:
        marks = Marks()
        spans = [_aged(span, marks, random) for span in _spans(random, items, marks)]
        for span in spans:
            _say(random, span, span_bytes)
        request = ExportTraceServiceRequest.FromString(assistant.request(_SERVICE, spans))
        return Template(request.SerializeToString(), marks)

    return make


_SERVICE = "assistant"


def _spans(random: Random, items: int, marks: Marks) -> list[Span]:
    """So many spans of traces of a few each."""
    made: list[Span] = []
    while len(made) < items:
        made += [span for _, span in assistant.trace(random, marks.trace_id(), 0)]
    return made[:items]


def _aged(span: Span, marks: Marks, random: Random) -> Span:
    """Its times as marks: it ended within the last seconds."""
    length = max(0, span.end_time_unix_nano - span.start_time_unix_nano)
    age = random.randrange(1, 5 * 10**9)
    span.end_time_unix_nano = marks.time(age)
    span.start_time_unix_nano = marks.time(age + length)
    return span


def _say(random: Random, span: Span, span_bytes: int) -> None:
    """Prompt and completion until the span has its size."""
    missing = span_bytes - span.ByteSize()
    if missing <= 0:
        return
    said = {
        "gen_ai.input.messages": _message(random, "user", missing * 3 // 4),
        "gen_ai.output.messages": _message(random, "assistant", missing // 4),
    }
    span.attributes.extend(KeyValue(key=key, value=AnyValue(string_value=text)) for key, text in said.items())


def _message(random: Random, role: str, length: int) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": _text(random, length)}]}])


def _text(random: Random, length: int) -> str:
    sentences: list[str] = []
    while length > 0:
        sentences.append(random.choice(_SENTENCES).format(random.randrange(10**6)))
        length -= len(sentences[-1]) + 1
    return " ".join(sentences)
