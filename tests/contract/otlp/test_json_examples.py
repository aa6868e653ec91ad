"""OTLP/JSON as the specification shows it, one request a signal, with every kind of metric; read to the last field.

The files in `examples/` are written out from the specification ("JSON Protobuf Encoding") and the documentation of the
messages: ids in hexadecimal of either case, 64-bit integers as strings or numbers, enums as numbers, lowerCamelCase.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from llm_observatory.otlp.json import to_protobuf

START, END = 1795838760318160575, 1795838761318160576
TRACE_ID, SPAN_ID, PARENT_ID = "7BBA9F33312B3DBB8B2C2C62BB7ABE2D", "086e83747d0e381e", "5FB397BE34D26B51"


def text(value: str) -> AnyValue:
    return AnyValue(string_value=value)


def attributes(**values: AnyValue) -> list[KeyValue]:
    return [KeyValue(key=key.replace("__", "."), value=value) for key, value in values.items()]


RESOURCE_READ = Resource(
    attributes=attributes(service__name=text("checkout"), host__cores=AnyValue(int_value=8)), dropped_attributes_count=1
)
SCOPE_READ = InstrumentationScope(name="shop.cart", version="1.4.0", attributes=attributes(beta=AnyValue(bool_value=True)))
IDS: dict[str, Any] = {"trace_id": bytes.fromhex(TRACE_ID), "span_id": bytes.fromhex(SPAN_ID)}
INTERVAL: dict[str, Any] = {"start_time_unix_nano": START, "time_unix_nano": END}

SPAN = Span(
    **IDS, parent_span_id=bytes.fromhex(PARENT_ID), trace_state="shop=1", flags=257, name="GET /cart",
    kind=Span.SPAN_KIND_SERVER, start_time_unix_nano=START, end_time_unix_nano=END,
    attributes=[
        KeyValue(key="http.response.status_code", value=AnyValue(int_value=200)),
        *attributes(
            share=AnyValue(double_value=0.25), raw=AnyValue(bytes_value=b"\x00\xff"),
            tags=AnyValue(array_value=ArrayValue(values=[text("a"), AnyValue(bool_value=False)])),
            user=AnyValue(kvlist_value=KeyValueList(values=attributes(id=AnyValue(int_value=-1)))),
        ),
    ],
    events=[Span.Event(time_unix_nano=START, name="retry", dropped_attributes_count=2)],
    links=[Span.Link(trace_id=IDS["trace_id"], span_id=bytes.fromhex(PARENT_ID), flags=1)],
    dropped_attributes_count=1, dropped_events_count=2, dropped_links_count=3,
    status=Status(code=Status.STATUS_CODE_ERROR, message="too late"),
)  # fmt: skip

RECORDS = [
    LogRecord(
        **IDS, time_unix_nano=START, observed_time_unix_nano=END,
        severity_number=SeverityNumber.SEVERITY_NUMBER_INFO2, severity_text="Information",
        flags=1, body=text("the cart is empty"), attributes=attributes(empty=AnyValue()),
    ),
    LogRecord(
        observed_time_unix_nano=END, event_name="cart.cleared",
        body=AnyValue(kvlist_value=KeyValueList(values=attributes(items=AnyValue(array_value=ArrayValue())))),
    ),
]  # fmt: skip

EXEMPLAR = m.Exemplar(time_unix_nano=START, as_double=1.5, filtered_attributes=attributes(user=text("u1")), **IDS)
NUMBER = m.NumberDataPoint(**INTERVAL, as_int=2**53 + 1, attributes=attributes(region=text("eu")), exemplars=[EXEMPLAR])
LATENCY = m.HistogramDataPoint(
    **INTERVAL, count=3, sum=3.5, bucket_counts=[1, 2], explicit_bounds=[1.0], min=0.5, max=2.0
)  # fmt: skip
BUCKETS = m.ExponentialHistogramDataPoint.Buckets
SIZES = m.ExponentialHistogramDataPoint(
    **INTERVAL, count=6, sum=-1.5, scale=-1, zero_count=1, zero_threshold=0.001, min=-2.0, max=4.0,
    positive=BUCKETS(offset=-2, bucket_counts=[3, 0]), negative=BUCKETS(offset=1, bucket_counts=[2]),
)  # fmt: skip
AT = m.SummaryDataPoint.ValueAtQuantile
WAITS = m.SummaryDataPoint(
    **INTERVAL, count=2, sum=3.0, quantile_values=[AT(quantile=0.5, value=1.0), AT(quantile=1.0, value=float("nan"))]
)
DELTA, CUMULATIVE = m.AGGREGATION_TEMPORALITY_DELTA, m.AGGREGATION_TEMPORALITY_CUMULATIVE
OF_EVERY_KIND = [
    m.Metric(
        name="carts", unit="{cart}", description="carts so far", metadata=attributes(k=text("v")),
        sum=m.Sum(aggregation_temporality=DELTA, is_monotonic=True, data_points=[NUMBER]),
    ),
    m.Metric(
        name="temperature",
        gauge=m.Gauge(data_points=[m.NumberDataPoint(**INTERVAL, as_double=-10.5), m.NumberDataPoint(**INTERVAL, flags=1)]),
    ),
    m.Metric(name="latency", unit="s", histogram=m.Histogram(aggregation_temporality=CUMULATIVE, data_points=[LATENCY])),
    m.Metric(
        name="sizes", exponential_histogram=m.ExponentialHistogram(aggregation_temporality=DELTA, data_points=[SIZES])
    ),
    m.Metric(name="waits", summary=m.Summary(data_points=[WAITS])),
]  # fmt: skip

READ: dict[str, Message] = {
    "traces": ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=RESOURCE_READ,
                schema_url="https://example.com/1",
                scope_spans=[ScopeSpans(scope=SCOPE_READ, spans=[SPAN])],
            )
        ]
    ),
    "metrics": ExportMetricsServiceRequest(
        resource_metrics=[
            m.ResourceMetrics(resource=RESOURCE_READ, scope_metrics=[m.ScopeMetrics(scope=SCOPE_READ, metrics=OF_EVERY_KIND)])
        ]
    ),
    "logs": ExportLogsServiceRequest(
        resource_logs=[
            ResourceLogs(
                resource=RESOURCE_READ,
                scope_logs=[ScopeLogs(scope=SCOPE_READ, schema_url="https://example.com/2", log_records=RECORDS)],
            )
        ]
    ),
}


@pytest.mark.parametrize("signal", READ)
@pytest.mark.parametrize("indent", [None, 2], ids=["minified", "as people write"])
def test_the_example_is_read_to_the_last_field(signal: str, indent: int | None) -> None:
    written = json.loads((Path(__file__).parent / "examples" / f"{signal}.json").read_bytes())
    read = READ[signal]
    assert str(type(read).FromString(to_protobuf(signal, json.dumps(written, indent=indent).encode()))) == str(read)
