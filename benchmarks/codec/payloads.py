"""The requests that are encoded: what SDKs send, 512 records of one kind, or fewer where each is large."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.unit.codec import logs, metrics, spans

RECORDS = 512
CONTENT_BYTES = 1024**2
"""Of a request of spans with content."""

TURN = (
    "Summarise the quarterly report for the board: revenue rose by 12 % to 4.2 million, churn fell below 1.9 %.\n"
    'The word "pipeline" is used in two senses; say which one is meant where. '
)
FOREIGN = "Bitte fasse den Bericht für die Geschäftsführung zusammen, höchstens fünf Sätze. 请用中文总结这份报告。👍 "


class Payload(NamedTuple):
    """One request: of which signal, how many records it holds, upb's message for it, and its bytes."""

    signal: str
    records: int
    message: type[Message]
    data: bytes


def _span(number: int, **content: str) -> Any:
    """An LLM call, a trace of its own."""
    items: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.id": f"chatcmpl-{number:012}",
        "gen_ai.usage.input_tokens": 523 + number % 100,
        "gen_ai.usage.output_tokens": 187 + number % 50,
        "gen_ai.request.temperature": 0.7,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.conversation.id": f"conv-{number % 100:08}",
        "server.address": "api.openai.com",
        "server.port": 443,
    }
    items |= {f"gen_ai.{name}.messages": text for name, text in content.items()}
    ids = {"trace_id": number.to_bytes(16, "big"), "span_id": number.to_bytes(8, "big")}
    return spans.span(items, name="chat gpt-4o-mini", **ids)


def _spans(content_bytes: int, turn: str) -> Payload:
    """Spans of about 500 bytes and so much content, as instrumentations write it: JSON in strings."""
    count, content = RECORDS, {}
    if content_bytes:
        count = CONTENT_BYTES // content_bytes
        text = turn * (content_bytes // len(turn.encode()) // 2)
        for name, role in (("input", "user"), ("output", "assistant")):
            messages = [{"role": role, "parts": [{"type": "text", "content": text}]}]
            content[name] = json.dumps(messages, ensure_ascii=False)
    data = spans.request(*[_span(number, **content) for number in range(1, count + 1)])
    return Payload("traces", count, ExportTraceServiceRequest, data)


def _logs() -> Payload:
    """Records of an application's log, each in a trace."""
    records = [
        logs.record(
            f"Completed chat request {number} for conversation conv-{number % 100:08} in {number % 900} ms",
            {
                "code.file.path": "/app/services/chat/handler.py",
                "code.function.name": "complete",
                "code.line.number": 100 + number % 40,
                "http.request.method": "POST",
                "http.response.status_code": 200,
                "user.id": f"user-{number % 100}",
            },
            observed_time_unix_nano=spans.START,
            trace_id=number.to_bytes(16, "big"),
            span_id=number.to_bytes(8, "big"),
            flags=1,
        )
        for number in range(1, RECORDS + 1)
    ]
    return Payload("logs", RECORDS, ExportLogsServiceRequest, logs.request(*records))


def _points() -> Payload:
    """Points of a counter, as many series."""
    points = [
        metrics.point(
            "sum",
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o-mini",
                "gen_ai.token.type": ("input", "output")[number % 2],
                "server.address": f"api-{number // 2}.openai.com",
            },
            as_int=number,
            start_time_unix_nano=spans.START - 10**12,
        )
        for number in range(RECORDS)
    ]
    return Payload("metrics", RECORDS, ExportMetricsServiceRequest, metrics.request(metrics.metric("sum", *points)))


def payloads() -> dict[str, Payload]:
    """By the name that the benchmark prints."""
    return {
        "spans": _spans(0, ""),
        "log records": _logs(),
        "data points": _points(),
        "spans, 4 KB": _spans(4096, TURN),
        "spans, 16 KB": _spans(16384, TURN),
        "spans, 16 KB, not ASCII": _spans(16384, FOREIGN),
    }
