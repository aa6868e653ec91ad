"""Requests as the OTLP documentation shows them, with every kind of value in them, read as what they say."""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.plugins.otlp_json import to_protobuf
from tests.plugins.otlp_messages import REQUESTS
from tests.unit.codec import metrics
from tests.unit.codec.spans import any_value, attributes, encode

EXAMPLES = Path(__file__).parent / "json_examples"
SECOND = 1_000_000_000
TRACE_ID, SPAN_ID = bytes.fromhex("4bf92f3577b34da6a3ce929d0e0e4736"), bytes.fromhex("00f067aa0ba902b7")
T = 1_759_999_999 * SECOND
START = 1_759_999_900 * SECOND
SCHEMA = "https://opentelemetry.io/schemas/1.37.0"


def trace() -> Any:
    request: Any = REQUESTS["traces"]()
    around = request.resource_spans.add(schema_url=SCHEMA)
    around.resource.attributes.extend(attributes({"service.name": "checkout", "host.cpu.count": 8}))
    scope = around.scope_spans.add()
    scope.scope.name, scope.scope.version = "shop.agent", "2.1.0"
    scope.scope.attributes.extend(attributes({"team": "payments"}))
    given = {
        "gen_ai.request.temperature": 0.2,
        "gen_ai.usage.input_tokens": 812,
        "cached": False,
        "tags": ["a", -1, None],
        "options": {"stream": True},
        "digest": b"\0\xff\xbf",
    }
    parent = bytes.fromhex("b7ad6b7169203331")
    scope.spans.append(
        Span(
            trace_id=TRACE_ID,
            span_id=SPAN_ID,
            parent_span_id=parent,
            trace_state="vendor=opaque",
            flags=257,
            name="chat gpt-5",
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=T + 1,
            end_time_unix_nano=T + SECOND // 2 + 3,
            attributes=attributes(given),
            dropped_attributes_count=1,
            events=[Span.Event(time_unix_nano=T + SECOND // 4 + 2, name="first token", attributes=attributes({"index": 0}))],
            links=[Span.Link(trace_id=bytes.fromhex("0af7651916cd43dd8448eb211c80319c"), span_id=parent, flags=1)],
            status=Status(code=Status.STATUS_CODE_ERROR, message="rate limited"),
        )
    )
    return request


def every_kind_of_metric() -> Any:
    request: Any = REQUESTS["metrics"]()
    around = request.resource_metrics.add()
    around.resource.attributes.extend(attributes({"service.name": "checkout"}))
    scope = around.scope_metrics.add()
    scope.scope.name = "shop.meter"
    exemplar = metrics.exemplar(
        time_unix_nano=T - SECOND,
        as_double=0.0,
        trace_id=TRACE_ID,
        span_id=SPAN_ID,
        filtered_attributes=attributes({"user": "u1"}),
    )
    gauge = Metric(name="queue.length", unit="{item}", description="Items that wait", metadata=attributes({"origin": "probe"}))
    gauge.gauge.data_points.append(NumberDataPoint(time_unix_nano=T, as_double=2.5))
    total = Metric(name="requests", unit="1")
    total.sum.aggregation_temporality, total.sum.is_monotonic = 2, True  # type: ignore[assignment]  # an enum by number
    total.sum.data_points.append(
        NumberDataPoint(
            start_time_unix_nano=START,
            time_unix_nano=T,
            as_int=0,
            attributes=attributes({"route": "/pay"}),
            exemplars=[exemplar],
        )
    )
    latency = Metric(name="latency", unit="s")
    latency.histogram.aggregation_temporality = 1  # type: ignore[assignment]  # an enum by number
    latency.histogram.data_points.append(
        HistogramDataPoint(
            start_time_unix_nano=START, time_unix_nano=T, count=3, sum=0.0, bucket_counts=[1, 2], explicit_bounds=[0.5], min=0.0
        )
    )
    buckets = ExponentialHistogramDataPoint.Buckets
    tokens = Metric(
        name="tokens",
        exponential_histogram=ExponentialHistogram(
            aggregation_temporality=1,  # type: ignore[arg-type]  # an enum by number
            data_points=[
                ExponentialHistogramDataPoint(
                    time_unix_nano=T,
                    count=4,
                    sum=10.5,
                    scale=-1,
                    zero_count=1,
                    zero_threshold=0.001,
                    positive=buckets(offset=-2, bucket_counts=[1, 1]),
                    negative=buckets(bucket_counts=[1]),
                    max=8.0,
                )
            ],
        ),
    )
    pause = Metric(name="gc.pause")
    quantile = SummaryDataPoint.ValueAtQuantile
    values = [quantile(quantile=0.0, value=1.0), quantile(quantile=1.0, value=nan)]
    pause.summary.data_points.append(SummaryDataPoint(time_unix_nano=T, count=2, sum=3.0, quantile_values=values))
    scope.metrics.extend([gauge, total, latency, tokens, pause])
    return request


def logs() -> Any:
    request: Any = REQUESTS["logs"]()
    around = request.resource_logs.add()
    around.resource.attributes.extend(attributes({"service.name": "checkout"}))
    around.resource.dropped_attributes_count = 2
    scope = around.scope_logs.add(schema_url=SCHEMA)
    scope.scope.name, scope.scope.version = "shop.log", "1"
    scope.log_records.append(
        LogRecord(
            time_unix_nano=T + 1,
            observed_time_unix_nano=T + 2,
            severity_number=17,  # type: ignore[arg-type]  # an enum by number
            severity_text="Error",
            trace_id=TRACE_ID,
            span_id=SPAN_ID,
            flags=1,
            body=any_value("card declined: é \U0001f642"),
            attributes=attributes({"attempt": 2**53 + 1, "empty": None}),
        )
    )
    return request


def events() -> Any:
    request: Any = REQUESTS["logs"]()
    around = request.resource_logs.add()
    around.resource.attributes.extend(attributes({"service.name": "web"}))
    scope = around.scope_logs.add()
    scope.scope.SetInParent()
    body = any_value({"type": 0, "url": "https://www.example.com/a", "referrer": ""})
    scope.log_records.append(LogRecord(time_unix_nano=T, event_name="browser.page_view", body=body))
    return request


@pytest.mark.parametrize(
    "name, signal, expected",
    [
        ("trace", "traces", trace),
        ("metrics", "metrics", every_kind_of_metric),
        ("logs", "logs", logs),
        ("events", "logs", events),
    ],
)
def test_examples(name: str, signal: str, expected: Callable[[], Any]) -> None:
    payload = to_protobuf(signal, (EXAMPLES / f"{name}.json").read_bytes())
    read = REQUESTS[signal].FromString(payload)
    assert text_format.MessageToString(read) == text_format.MessageToString(expected())
    found = encode(payload, signal=signal)
    assert found.accepted == (5 if signal == "metrics" else 1)
    assert (found.rejected, dict(found.repaired), dict(found.odd)) == ((), {}, {})
