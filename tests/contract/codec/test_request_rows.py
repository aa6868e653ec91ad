"""What a request may become in all: small on the wire and hundreds of times as large in rows, it is stopped on the way."""

from __future__ import annotations

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import SummaryDataPoint

from llm_observatory.codec import EncodedRequest
from tests.plugins.codecs import Lower
from tests.unit.codec import logs, metrics, spans

LIMIT = 1024 * 1024
RECORDS = 100


def summaries() -> EncodedRequest:
    """Points of 2,000 quantiles, two bytes each on the wire and 28 in a row."""
    quantiles = [SummaryDataPoint.ValueAtQuantile()] * 2_000
    points = [metrics.point("summary", quantile_values=quantiles) for _ in range(RECORDS)]
    return metrics.encode(metrics.request(metrics.metric("summary", *points)))


def records() -> EncodedRequest:
    return logs.encode(logs.request(*[logs.record("\x01" * 5_000, {"a": "\x01" * 5_000}) for _ in range(RECORDS)]))


def calls() -> EncodedRequest:
    return spans.encode(spans.request(*[spans.span({"a": "\x01" * 5_000}) for _ in range(RECORDS)]))


@pytest.mark.parametrize("make, table", [(summaries, "llm_metrics"), (records, "llm_logs"), (calls, "llm_traces")])
def test_what_follows_is_rejected(make: object, table: str, limits: Lower) -> None:
    assert callable(make)
    whole: EncodedRequest = make()
    assert (whole.accepted, whole.rejected_by_rule) == (RECORDS, {})
    limits(request_rows_max_bytes=LIMIT, escaped_max=0)
    cut: EncodedRequest = make()
    assert cut.rejected_by_rule == {"request_rows_too_large": RECORDS - cut.accepted}
    assert 0 < cut.accepted < RECORDS
    (first,), (second,) = ([each for each in made.tables if each.name == table] for made in (whole, cut))
    assert LIMIT < second.size < first.size
    assert b"".join(first.chunks).startswith(b"".join(second.chunks))


def test_a_large_request_may_become_six_times_as_large(limits: Lower) -> None:
    limits(request_rows_max_bytes=0)
    assert calls().rejected_by_rule == {}
