"""Series that the native codec remembers from request to request: the rows are those of a codec that remembers nothing."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import NumberDataPoint

from llm_observatory.codec import EncodedRequest, Native, reference
from tests.plugins.otlp_messages import NOW
from tests.unit.codec.spans import TERMS
from tests.unit.codec.test_doorway import drain

DAY_US = 86_400_000_000
ROUNDS = 4
"""A series is kept when it comes for the second time and found the third."""

SERIES_MAX = 32_768
"""As `known.rs` says: with all of them kept, they are forgotten as a whole."""

pytestmark = pytest.mark.native_codec


def request(*labels: dict[str, str], name: str = "requests", unit: str = "1") -> bytes:
    """A gauge with a point for each of these."""
    message = ExportMetricsServiceRequest()
    metric = message.resource_metrics.add().scope_metrics.add().metrics.add(name=name, unit=unit)
    for number, items in enumerate(labels):
        point = metric.gauge.data_points.add(time_unix_nano=NOW * 1000, as_int=number)
        for key, value in items.items():
            point.attributes.add(key=key).value.string_value = value
    return message.SerializeToString()


def encode(implementation: Any, payload: bytes, tenant: str = "a", now: int = NOW) -> EncodedRequest:
    made: EncodedRequest = drain(implementation.encode_stepwise("metrics", tenant, payload, bytes(16), now, TERMS))[1]
    return made


def hold(native: Native, payload: bytes, tenant: str = "a", now: int = NOW) -> None:
    wanted = encode(reference, payload, tenant, now)
    for _ in range(ROUNDS):
        assert encode(native, payload, tenant, now) == wanted


def test_known_and_new_series_of_one_metric() -> None:
    native = Native()
    hold(native, request({"k": "1", "l": "1"}, {"k": "2"}))
    hold(native, request({"k": "1", "l": "1"}, {"l": "1", "k": "1"}, {"k": "3"}, {"k": "2"}, {}, {"k": "1", "l": "1"}))


def test_a_series_is_of_its_metric_tenant_and_day() -> None:
    native = Native()
    hold(native, request({"k": "1"}))
    hold(native, request({"k": "1"}, unit="ms"))
    hold(native, request({"k": "1"}, name="others"))
    hold(native, request({"k": "1"}), tenant="b")
    hold(native, request({"k": "1"}), now=NOW + DAY_US)


def test_repairs_of_labels_are_counted_every_time() -> None:
    hold(Native(), request({"k": "a\0b"}, {"k\0": "1"}, {"k": "1"}))


def test_attributes_apart_from_each_other() -> None:
    point = NumberDataPoint(time_unix_nano=NOW * 1000)
    first, second = NumberDataPoint(as_int=3), NumberDataPoint()
    for key, part in (("k", first), ("l", second)):
        part.attributes.add(key=key).value.string_value = "1"
    data = point.SerializeToString() + second.SerializeToString() + first.SerializeToString()
    value = NumberDataPoint(as_int=4).SerializeToString()
    inner = request({"k": "1", "l": "1"})
    whole = ExportMetricsServiceRequest.FromString(inner)
    metric = whole.resource_metrics[0].scope_metrics[0].metrics[0]
    metric.ClearField("gauge")
    points = b"".join(b"\x0a" + bytes([len(one)]) + one for one in (data, data + value + second.SerializeToString()))
    raw = metric.SerializeToString() + b"\x2a" + bytes([len(points)]) + points
    for field in (0x12, 0x12, 0x0A):
        raw = bytes([field, len(raw)]) + raw
    hold(Native(), raw)


def test_one_metric_for_each_point() -> None:
    native = Native()
    apart = b"".join(request({"k": str(number % 30)}, name=f"m{number % 7}") for number in range(300))
    hold(native, apart)
    hold(native, request(*({"k": str(number)} for number in range(30)), name="m3"))


def test_a_series_that_is_sent_exactly_twice() -> None:
    """It is kept the second time, and never asked for."""
    native = Native()
    for number in range(200):
        payload = request({"k": str(number)}, {"k": f"x{number}"})
        wanted = encode(reference, payload)
        assert encode(native, payload) == wanted
        assert encode(native, payload) == wanted


def test_more_series_than_are_kept() -> None:
    native = Native()
    payloads = [request(*({"k": f"{start + number}"} for number in range(12_000))) for start in range(0, 3 * 12_000, 12_000)]
    assert len(payloads) * 12_000 > SERIES_MAX
    wanted = [encode(reference, payload) for payload in payloads]
    for _ in range(ROUNDS):
        for payload, rows in zip(payloads, wanted, strict=True):
            assert encode(native, payload) == rows


def test_threads_share_one_codec() -> None:
    native = Native()
    payloads = [request(*({"k": str(number)} for number in range(start, start + 50))) for start in (0, 25, 50)]
    wanted = [encode(reference, payload) for payload in payloads]
    wrong: list[int] = []

    def work(place: int) -> None:
        for turn in range(100):
            one = (place + turn) % len(payloads)
            if encode(native, payloads[one]) != wanted[one]:
                wrong.append(one)

    threads = [Thread(target=work, args=(place,)) for place in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert not wrong
