"""Hand-picked requests of spans by name: what each is about (else the rule it is named after), and its payload."""

from __future__ import annotations

from math import nan

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, EntityRef, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from tests.golden.hand_picked.shared import CHOICE, FAMILY, FAR_AHEAD, GOOD, LONG_AGO, MARKED, MESSAGES, VALUES, beside, styled
from tests.plugins.hostile_wire import Style
from tests.unit.codec.logs import record
from tests.unit.codec.logs import request as logs_request
from tests.unit.codec.spans import SPAN_ID, START, TRACE_ID, attributes, deep_value, field, request, span
from tests.unit.codec.test_dialects import SAMPLES


def whole_trace() -> bytes:
    """Two resources, three scopes, everything around the spans filled."""
    full = Resource(
        attributes=attributes({"service.name": "shop", "deployment.environment.name": "production", "n": 1}),
        dropped_attributes_count=3,
        entity_refs=[
            EntityRef(schema_url="https://e", type="service", id_keys=["service.name"], description_keys=["n"]),
            EntityRef(),
        ],
    )
    scope = InstrumentationScope(name="lib", version="2", attributes=attributes({"a": [1]}), dropped_attributes_count=4)
    message = ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=full,
                schema_url="https://r",
                scope_spans=[
                    ScopeSpans(scope=scope, schema_url="https://s", spans=[span(), span(span_id=b"\2" * 8)]),
                    ScopeSpans(spans=[span(span_id=b"\3" * 8)]),
                    ScopeSpans(scope=scope),
                ],
            ),
            ResourceSpans(scope_spans=[ScopeSpans(scope=scope, spans=[span(span_id=b"\4" * 8)])]),
            ResourceSpans(resource=full),
        ]
    )
    return message.SerializeToString()


FULL_SPAN = span(
    VALUES,
    trace_state="a=1",
    parent_span_id=b"\7" * 8,
    flags=2**32 - 1,
    kind=2,
    status=Status(code=Status.STATUS_CODE_ERROR, message="boom"),
    dropped_attributes_count=1,
    dropped_events_count=2,
    dropped_links_count=3,
    events=[
        Span.Event(time_unix_nano=START + 1, name="e", attributes=attributes({"k": [1e300]}), dropped_attributes_count=5),
        Span.Event(),
    ],
    links=[
        Span.Link(
            trace_id=b"\1" * 16,
            span_id=b"\2" * 8,
            trace_state="t",
            attributes=attributes({"k": nan}),
            dropped_attributes_count=6,
            flags=1,
        ),
        Span.Link(trace_id=b"\1" * 16, span_id=b"\3" * 8),
    ],
)

TRACES: dict[str, tuple[str, bytes]] = {
    "another_signal": ("A log record that was sent to the traces service.", logs_request(record())),
    "empty": ("No byte at all.", b""),
    "no_spans": ("A resource and a scope without spans: nothing is stored.", request()),
    "one_span": ("The least span.", request(span())),
    "full_span": ("Every field of a span, every type of value.", request(FULL_SPAN)),
    "sources": ("Resources and scopes with all they have, and without.", whole_trace()),
    "unknown_fields": ("Fields that nobody knows, groups included.", styled("traces", request(FULL_SPAN), Style(unknown=True))),
    "halved": (
        "Fields from last to first, messages in two halves.",
        styled("traces", whole_trace(), Style(reversed=True, halved=True)),
    ),
    "times": (
        "No end, end before start, end at start, microseconds and nanoseconds.",
        request(
            span(end_time_unix_nano=0),
            span(end_time_unix_nano=START - 1),
            span(end_time_unix_nano=START),
            span(start_time_unix_nano=START // 1000 * 1000, end_time_unix_nano=2**63 - 1),
        ),
    ),
    "hours": (
        "Spans of two traces in three hours.",
        request(
            *(
                span(start_time_unix_nano=START - hours * 3_600_000_000_000, trace_id=bytes([trace] * 16))
                for hours, trace in ((0, 1), (1, 2), (30, 1))
            )
        ),
    ),
    "entry_spans": (
        "Parents: none, zero, local, remote, unknown; kinds.",
        request(
            span(kind=1),
            span(kind=1, parent_span_id=bytes(8)),
            *(span(kind=kind, parent_span_id=SPAN_ID, flags=flags) for kind, flags in ((1, 0), (1, 0x300), (1, 0x200), (5, 0))),
        ),
    ),
    "unknown_kind": ("Enumerations that OTLP does not know.", request(span(kind=99, status=Status(code=-32768)))),  # type: ignore[arg-type]
    "promoted_exactly": ("Attributes that leave the document for their columns.", request(span(SAMPLES["OpenTelemetry"][0]))),
    "promoted_converted": (
        "Values of other types, which fill columns and stay in the document.",
        request(
            span(
                {
                    "gen_ai.usage.input_tokens": "12",
                    "gen_ai.usage.output_tokens": 3.0,
                    "gen_ai.request.temperature": 1,
                    "gen_ai.request.stream": "true",
                    "gen_ai.response.finish_reasons": '["end_turn"]',
                    "gen_ai.provider.name": "Azure",
                    "gen_ai.operation.name": " LLM ",
                    "gen_ai.request.model": 5,
                    "gen_ai.response.model": "null",
                    "gen_ai.request.max_tokens": -1,
                    "gen_ai.request.top_p": nan,
                    "user.id": ["a"],
                    "gen_ai.conversation.id": "",
                    "gen_ai.response.time_to_first_chunk": 0.25,
                }
            )
        ),
    ),
    "promoted_precedence": (
        "Several names of the same, the first one first.",
        request(
            span({"gen_ai.system": "mistral", "tool.name": "t", "llm.provider": "cohere", "ai.model.provider": "openai.chat"}),
            span(
                {
                    "gen_ai.provider.name": "openai",
                    "gen_ai.system": "az.ai.openai",
                    "session.id": "s",
                    "prompt.id": "p",
                    "llm.prompt_template.version": "2",
                }
            ),
        ),
    ),
    "promoted_from_resource": (
        "The environment: of the resource, else of the span.",
        request(
            span({"langfuse.environment": "test", "llm.prompt_template.version": "2"}),
            resource={"deployment.environment": "e" * 600},
        ),
    ),
    "usage_roles": (
        "Whose tokens are to be summed.",
        request(
            span({"gen_ai.operation.name": "chat"}),
            span({"gen_ai.operation.name": "invoke_agent"}),
            span({"gen_ai.operation.name": "chat"}, name="raw_gen_ai_request"),
            span({"logfire.span_type": "log", "gen_ai.usage.input_tokens": 1}),
            span({"logfire.span_type": "log"}),
            span(),
        ),
    ),
    "service_name_long": ("A service name beyond 512 bytes.", request(span(), resource={"service.name": "é" * 300})),
    "service_name_missing": ("No service name; one that is no string.", request(span(), resource={"service.name": 7})),
    "content_attributes": (
        "A string and a structure that were said.",
        request(
            span(
                {
                    "gen_ai.input.messages": MESSAGES,
                    "gen_ai.output.messages": [{"parts": [1e16, b"\xff", None]}],
                    "gen_ai.tool.call.arguments": "",
                    "kept": 1,
                }
            )
        ),
    ),
    "content_family": ("Attributes that are one item together.", request(span(FAMILY | {"gen_ai.prompt.variable.x": 1}))),
    "content_marked": (
        "Names that are content beside a mark, and not without.",
        request(span(MARKED), span({"prompt": "hello"})),
    ),
    "content_events": (
        "Content in span events.",
        request(
            span(
                {"message": "kept"},
                events=[Span.Event(name="log", attributes=attributes({"message": "kept", "gen_ai.prompt": "p"})), CHOICE],
            )
        ),
    ),
    "nul": (
        "NUL in every string of a span and its source.",
        request(
            span(
                {"k\0": "v\0\0", "gen_ai.request.model": "m\0", "llm.tools.0\0": "\0", "list": ["\0", {"\0": b"\0"}]},
                name="n\0",
                trace_state="\0",
                status=Status(message="\0"),
                events=[Span.Event(name="\0", attributes=attributes({"\0": 1}))],
                links=[Span.Link(trace_id=b"\1" * 16, span_id=b"\2" * 8, trace_state="\0")],
            ),
            resource={"service.name": "s\0"},
            scope={"\0": "\0"},
        ),
    ),
    "duplicate_keys": (
        "Equal keys, one of them by a repair.",
        request(
            Span(
                trace_id=TRACE_ID,
                span_id=SPAN_ID,
                start_time_unix_nano=START,
                attributes=[*attributes({"a": 1, "b": 2}), *attributes({"a": [3], "n\0": 4, "n\ufffd": 5})],
            )
        ),
    ),
    "links_dropped": (
        "Links that cannot be followed.",
        request(
            span(
                dropped_links_count=2**32 - 1,
                links=[
                    Span.Link(),
                    Span.Link(trace_id=b"\1" * 16, span_id=bytes(8)),
                    Span.Link(trace_id=b"\1" * 16, span_id=b"\1" * 8),
                ],
            )
        ),
    ),
    "string_index": (
        "Indexes into a string table that is not there.",
        request(
            Span(
                trace_id=TRACE_ID,
                span_id=SPAN_ID,
                start_time_unix_nano=START,
                attributes=[
                    KeyValue(key_strindex=3),
                    KeyValue(key="a", key_strindex=3),
                    KeyValue(key="b", value=AnyValue(string_value_strindex=5)),
                ],
            ),
            GOOD,
        ),
    ),
    "trace_id_invalid": ("", request(span(trace_id=b""), span(trace_id=bytes(16)), span(trace_id=b"\1" * 17), GOOD)),
    "span_id_invalid": ("", request(span(span_id=b""), span(span_id=bytes(8)), span(span_id=b"\1" * 7), GOOD)),
    "parent_span_id_invalid": ("", request(span(parent_span_id=b"\1"), GOOD)),
    "time_out_of_range": (
        "",
        request(
            span(start_time_unix_nano=2**63),
            span(end_time_unix_nano=2**64 - 1),
            span(events=[Span.Event(time_unix_nano=2**63)]),
            GOOD,
        ),
    ),
    "outside_window": (
        "Too old, too far ahead.",
        request(span(start_time_unix_nano=LONG_AGO), span(start_time_unix_nano=FAR_AHEAD), GOOD),
    ),
    "enum_out_of_range": ("", request(span(kind=32768), span(status=Status(code=-32769)), GOOD)),  # type: ignore[arg-type]
    "deep": (
        "As deep as can be, and deeper.",
        request(GOOD)
        + beside(span().SerializeToString() + deep_value(48))
        + beside(span().SerializeToString() + deep_value(60)),
    ),
    "record_malformed": (
        "Invalid UTF-8; a span that breaks off.",
        request(GOOD) + beside(span().SerializeToString() + field(5, b"\xff")) + beside(b"\x0a\x10\1"),
    ),
    "source_malformed": (
        "Invalid UTF-8 in a resource, a scope, a schema URL.",
        request(GOOD)
        + beside(GOOD.SerializeToString(), resource=field(1, field(1, b"\xff")))
        + beside(GOOD.SerializeToString(), scope=field(1, b"\xff"))
        + beside(GOOD.SerializeToString(), schema_url=b"\xff"),
    ),
    "many_rejected": (
        "More rejections than an answer names.",
        request(*(span(trace_id=b"") for _ in range(25)), *(span(span_id=b"") for _ in range(3)), GOOD),
    ),
    "tenant": ("Another tenant.", request(span({"gen_ai.prompt": "p"}))),
    "no_age_limit": ("A span of 1970, where any age is accepted.", request(span(start_time_unix_nano=1, end_time_unix_nano=2))),
    **{f"dialect_{name}": (name, request(span(items))) for name, (items, _, _) in SAMPLES.items()},
    **{
        f"content_{name}": (
            f"Content {name}.",
            request(span(FAMILY | {"gen_ai.prompt": "ééé", "input.value": [1, 2, 3]}, events=[CHOICE])),
        )
        for name in ("off", "cut")
    },
}
