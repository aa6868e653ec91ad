"""Traces of an imagined assistant: five services, twelve span names, five to ten spans a trace, 500 bytes a span on the wire.

As instrumentations report it: ids of responses, tool calls and requests are random, and no compression gets rid of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

REQUEST_SPANS = 512
"""What the batch processor of an SDK sends at once."""

GAP_NS = 200_000
"""Between the end of one step and the start of the next, on average."""

FAILED = 0.02

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_SPAN_KINDS = {"internal": Span.SPAN_KIND_INTERNAL, "server": Span.SPAN_KIND_SERVER, "client": Span.SPAN_KIND_CLIENT}

Attributes = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Step:
    """A kind of span; `median_ms` and `sigma` are of its lognormal duration, where no other step is inside it."""

    service: str
    name: str
    kind: str
    depth: int
    attributes: Callable[[Random, int], Attributes]
    median_ms: float = 1.0
    sigma: float = 0.8


def _name(random: Random, prefix: str, length: int) -> str:
    return prefix + "".join(random.choices(_ALPHABET, k=length))


def _served(method: str, route: str) -> Callable[[Random, int], Attributes]:
    return lambda random, _number: {
        "http.request.method": method,
        "http.route": route,
        "url.path": route.replace("{id}", str(random.randrange(10**6))),
        "url.scheme": "https",
        "http.response.status_code": random.choices((200, 429, 500), (95, 3, 2))[0],
        "server.address": "api.example.com",
        "client.address": f"10.{random.randrange(4)}.{random.randrange(256)}.{random.randrange(256)}",
        "network.protocol.version": random.choice(("1.1", "2")),
        "user_agent.original": random.choice(
            ("openai-python/3.54.0", "Mozilla/5.0 (X11; Linux x86_64) Firefox/151.0", "curl/8.9")
        ),
        "app.request_id": _name(random, "req_", 24),
    }


def _chat(provider: str, model: str, version: str, operation: str = "chat") -> Callable[[Random, int], Attributes]:
    def attributes(random: Random, number: int) -> Attributes:
        tokens = int(random.lognormvariate(6.7, 0.9))
        made: Attributes = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
            "gen_ai.response.model": f"{model}-{version}",
            "gen_ai.usage.input_tokens": tokens,
            "server.address": f"api.{provider}.com",
            "app.step": number,
        }
        if operation == "chat":
            made |= {
                "gen_ai.response.id": _name(random, "chatcmpl-", 29),
                "gen_ai.usage.output_tokens": int(random.lognormvariate(5.0, 1.0)),
                "gen_ai.usage.cache_read.input_tokens": tokens // 128 * random.choice((0, 0, 64)),
                "gen_ai.request.temperature": random.choice((0.0, 0.2, 0.7)),
                "gen_ai.request.max_tokens": 4096,
                "gen_ai.response.finish_reasons": [random.choices(("stop", "tool_calls", "length"), (60, 37, 3))[0]],
                "gen_ai.response.time_to_first_chunk": round(random.lognormvariate(-0.7, 0.5), 6),
            }
        return made

    return attributes


def _tool(name: str) -> Callable[[Random, int], Attributes]:
    return lambda random, number: {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": _name(random, "call_", 24),
        "app.attempt": random.choices((1, 2, 3), (90, 8, 2))[0],
        "app.step": number,
        "app.input_bytes": int(random.lognormvariate(5, 1)),
        "code.function.name": f"support.tools.{name}",
    }


def _query(random: Random, number: int) -> Attributes:
    return {
        "db.system.name": "postgresql",
        "db.namespace": "documents",
        "db.operation.name": "SELECT",
        "db.collection.name": "documents",
        "db.query.summary": "SELECT documents",
        "db.query.text": "SELECT id, body FROM documents WHERE owner = $1 ORDER BY embedding <=> $2 LIMIT 8",
        "db.response.returned_rows": random.randrange(9),
        "server.address": f"documents-{random.randrange(3)}.internal",
        "server.port": 5432,
        "app.step": number,
    }


def _agent(_random: Random, _number: int) -> Attributes:
    return {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "support",
        "gen_ai.agent.id": "asst_5j66UpCpwteGg4YSxUnt7lPY",
        "gen_ai.provider.name": "openai",
        "app.release": "2026.11.3",
        "app.experiment": "answers-with-sources",
    }


_ENTRY = _Step("gateway", "POST /v1/chat", "server", 0, _served("POST", "/v1/chat"))
_AGENT = _Step("assistant", "invoke_agent support", "internal", 1, _agent)
_CHATS = tuple(
    _Step("assistant", f"chat {model}", "client", 2, _chat(provider, model, version), median, 0.7)
    for provider, model, version, median in (
        ("openai", "gpt-5-mini", "2026-08-07", 1500),
        ("openai", "gpt-5", "2026-08-07", 4200),
        ("anthropic", "claude-sonnet-4-5", "20250929", 3100),
    )
)
_GUARD = _Step("guard", "chat claude-haiku-4-5", "client", 2, _chat("anthropic", "claude-haiku-4-5", "20251001"), 600, 0.6)
_SEARCH = (
    _Step("assistant", "execute_tool search_documents", "internal", 2, _tool("search_documents")),
    _Step("retrieval", "POST /search", "server", 3, _served("POST", "/search")),
    _Step(
        "retrieval",
        "embeddings text-embedding-3-small",
        "client",
        4,
        _chat("openai", "text-embedding-3-small", "1", "embeddings"),
        110,
    ),
    _Step("retrieval", "SELECT documents", "client", 4, _query, 6),
)
_ORDER = (
    _Step("assistant", "execute_tool get_order", "internal", 2, _tool("get_order")),
    _Step("orders", "GET /orders/{id}", "server", 3, _served("GET", "/orders/{id}"), 25),
)


def trace(random: Random, trace_id: bytes, start_ns: int) -> Iterator[tuple[str, Span]]:
    """The spans of one trace, each with the service that reports it."""
    tools = random.choice(((*_SEARCH, *_ORDER), (*_ORDER, *_SEARCH)))
    chats = random.choices(_CHATS, (6, 2, 2), k=2)
    steps = (_ENTRY, _AGENT, _GUARD, chats[0], *tools[:4], chats[1], *tools[4:])[: random.randint(5, 10)]
    starts, ends, clock = [], [], start_ns
    for step in steps:
        clock += int(random.expovariate(1 / GAP_NS))
        starts.append(clock)
        clock += int(random.lognormvariate(0, step.sigma) * step.median_ms * 1e6)
        ends.append(clock)
    parents = [
        max((above for above in range(place) if steps[above].depth < step.depth), default=-1)
        for place, step in enumerate(steps)
    ]
    for place in range(len(steps) - 1, 0, -1):
        ends[parents[place]] = max(ends[parents[place]], ends[place] + int(random.expovariate(1 / GAP_NS)))
    ids = [random.randbytes(8) for _ in steps]
    conversation, user = _name(random, "conv_", 16), f"user-{random.randrange(20_000)}"
    for place, step in enumerate(steps):
        attributes = {**step.attributes(random, place), "gen_ai.conversation.id": conversation}
        if step is _ENTRY:
            attributes["user.id"] = user
        failed = random.random() < FAILED
        if failed:
            attributes["error.type"] = "timeout"
        yield (
            step.service,
            Span(
                trace_id=trace_id,
                span_id=ids[place],
                parent_span_id=ids[parents[place]] if place else b"",
                name=step.name,
                kind=_SPAN_KINDS[step.kind],
                start_time_unix_nano=starts[place],
                end_time_unix_nano=ends[place],
                attributes=[KeyValue(key=key, value=_value(value)) for key, value in attributes.items()],
                status=Status(code=Status.STATUS_CODE_ERROR, message="the deadline passed") if failed else None,
            ),
        )


def requests(random: Random, spans: int, trace_ids: Iterable[bytes], start_ns: int, length_ns: int) -> Iterator[bytes]:
    """About `spans` spans of traces that start within `length_ns`: each service sends its own, up to REQUEST_SPANS at once."""
    by_service: dict[str, list[Span]] = {}
    made = 0
    for trace_id in trace_ids:
        for service, span in trace(random, trace_id, start_ns + length_ns * made // spans):
            by_service.setdefault(service, []).append(span)
            made += 1
        if made >= spans:
            break
    for service, of in by_service.items():
        for first in range(0, len(of), REQUEST_SPANS):
            yield request(service, of[first : first + REQUEST_SPANS])


def request(service: str, spans: list[Span]) -> bytes:
    """An export request of one service."""
    resource = {
        "service.name": service,
        "service.version": "2026.11.3",
        "service.instance.id": f"{service}-7c9d8f6b5-x2x4k",
        "deployment.environment.name": "production",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": "1.45.0",
    }
    attributes = [KeyValue(key=key, value=_value(value)) for key, value in resource.items()]
    scope = ScopeSpans(scope=InstrumentationScope(name=f"{service}.telemetry", version="1.2.3"), spans=spans)
    resource_spans = ResourceSpans(resource=Resource(attributes=attributes), scope_spans=[scope])
    return ExportTraceServiceRequest(resource_spans=[resource_spans]).SerializeToString()


def _value(value: object) -> AnyValue:
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[_value(one) for one in value]))
    if isinstance(value, str):
        return AnyValue(string_value=value)
    return AnyValue(int_value=value) if isinstance(value, int) else AnyValue(double_value=float(str(value)))
