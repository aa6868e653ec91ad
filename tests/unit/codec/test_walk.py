"""The outer levels: any order, any number of times, unknown fields, and nothing but two outcomes for any bytes."""

from __future__ import annotations

import gc
import itertools
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from llm_observatory import codec
from llm_observatory.codec.reference import metric, walk
from llm_observatory.codec.reference.wire import fields
from llm_observatory.errors import InvalidPayload
from tests.unit.codec import spans
from tests.unit.codec.spans import field

RECORD = field(2, spans.span({"gen_ai.request.model": "m", "k": [1, {"a": b"b"}]}).SerializeToString())
RESOURCE = field(1, Resource(attributes=spans.attributes({"service.name": "shop"})).SerializeToString())
SCOPE = field(1, InstrumentationScope(name="agent").SerializeToString())
UNKNOWN = b"\xa0\x06\x05" + b"\xa3\x06\x08\x01\xa4\x06" + b"\xa2\x06\x06future" + b"\xa5\x06abcd" + b"\xa1\x06abcdefgh"
SAMPLE = field(1, RESOURCE + field(2, SCOPE + RECORD + field(3, b"s")) + field(3, b"r"))


def whole(payload: bytes) -> tuple[dict[str, bytes], dict[bytes, bytes]]:
    encoded = spans.encode(payload)
    assert encoded.rejected_by_rule == {}
    return {table.name: b"".join(table.chunks) for table in encoded.tables}, dict(encoded.dimensions["telemetry_sources"])


def test_fields_in_any_order_give_the_same_rows() -> None:
    scope_parts = [SCOPE, RECORD, field(3, b"s")]
    for scope_order in itertools.permutations(scope_parts):
        resource_parts = [RESOURCE, field(2, b"".join(scope_order)), field(3, b"r")]
        for order in itertools.permutations(resource_parts):
            assert whole(field(1, b"".join(order))) == whole(SAMPLE)


def test_repeated_messages_merge_and_of_strings_the_last_counts() -> None:
    resource = field(1, Resource(attributes=spans.attributes({"service.name": "shop"})).SerializeToString())
    more = field(1, Resource(attributes=spans.attributes({"b": 2}), dropped_attributes_count=4).SerializeToString())
    scope = field(1, InstrumentationScope(name="old", version="1").SerializeToString())
    scope_more = field(1, InstrumentationScope(name="new").SerializeToString())
    scopes = field(2, scope + RECORD + field(3, b"x") + scope_more + field(3, b"y"))
    data = field(1, resource + field(3, b"a") + scopes + more + field(3, b"b"))
    ((_, row),) = spans.encode(data).dimensions["telemetry_sources"].items()
    found = spans.read_row("telemetry_sources", row)
    assert found["resource"] == {"service.name": "shop", "b": 2}
    assert found["resource_dropped_attributes_count"] == 4
    assert (found["scope_name"], found["scope_version"]) == ("new", "1")
    assert (found["resource_schema_url"], found["scope_schema_url"]) == ("b", "y")
    canonical = ExportTraceServiceRequest.FromString(data).SerializeToString()
    assert whole(canonical) == whole(data)


def test_unknown_fields_at_every_level_are_passed_over() -> None:
    resource = field(1, UNKNOWN + Resource(attributes=spans.attributes({"service.name": "shop"})).SerializeToString())
    record = field(2, UNKNOWN + RECORD[RECORD.index(b"\x0a") :] + UNKNOWN)
    scopes = field(2, UNKNOWN + SCOPE + UNKNOWN + record + UNKNOWN + field(3, b"s"))
    data = UNKNOWN + field(1, UNKNOWN + resource + UNKNOWN + scopes + UNKNOWN + field(3, b"r") + UNKNOWN) + UNKNOWN
    assert whole(data) == whole(SAMPLE)


def test_fields_of_old_versions_and_other_wire_types_are_unknown() -> None:
    old = b"\xc2\x3e\x03abc"  # instrumentation_library_spans, field 1000
    data = field(1, RESOURCE + old + b"\x08\x07" + field(2, SCOPE + RECORD + b"\x10\x01" + field(3, b"s")) + field(3, b"r"))
    assert whole(data) == whole(SAMPLE)


def test_the_empty_request() -> None:
    for data in (b"", field(1, b""), field(1, field(2, b"")), field(1, RESOURCE + field(2, SCOPE))):
        encoded = spans.encode(data)
        assert (encoded.accepted, encoded.tables, encoded.size) == (0, (), 0)
        assert codec.count_items("traces", data, 10) == 0


def test_every_prefix_is_a_request_or_invalid() -> None:
    valid = 0
    for length in range(len(SAMPLE) + 1):
        try:
            encoded = spans.encode(SAMPLE[:length])
        except InvalidPayload:
            with pytest.raises(InvalidPayload):
                codec.count_items("traces", SAMPLE[:length], 10)
        else:
            valid += 1
            assert encoded.accepted + encoded.rejected_count == codec.count_items("traces", SAMPLE[:length], 10)
    assert valid == 2  # nothing and all


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped_bytes_give_an_answer_or_invalid_payload(changes: list[tuple[int, int]]) -> None:
    data = bytearray(SAMPLE)
    for position, value in changes:
        data[position] = value
    try:
        encoded = spans.encode(bytes(data))
    except InvalidPayload:
        return
    assert encoded.accepted + encoded.rejected_count == codec.count_items("traces", bytes(data), 1000)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.binary(max_size=64))
def test_any_bytes_give_an_answer_or_invalid_payload(data: bytes) -> None:
    try:
        spans.encode(data)
    except InvalidPayload as error:
        assert str(error).startswith("the body is not an OTLP export request: ")  # noqa: PT017  # also fine not to raise


def test_the_count_is_exact_up_to_the_limit_and_then_stops() -> None:
    data = field(1, field(2, RECORD * 5)) + field(1, field(2, RECORD) + field(2, RECORD * 4))
    assert codec.count_items("traces", data, 10) == 10
    assert codec.count_items("traces", data, 9) == 10
    assert codec.count_items("traces", data + b"\x07", 3) == 4  # stops before the broken end
    with pytest.raises(InvalidPayload):
        codec.count_items("traces", data + b"\x07", 100)


@pytest.mark.parametrize("empty", [field(1, b""), field(1, field(2, b"") * 20), b"\xa0\x06\x01", b"\x0b\x0c"])
def test_millions_of_empty_messages_are_over_the_limit(empty: bytes) -> None:
    assert codec.count_items("traces", empty * 100_000, 100) == 101


def test_two_containers_to_a_record_are_the_most() -> None:
    assert codec.count_items("traces", field(1, field(2, b"") * 199), 100) == 0
    assert codec.count_items("traces", field(1, field(2, b"") * 200), 100) == 101
    assert codec.count_items("traces", field(1, b"") * 200, 100) == 0
    assert codec.count_items("traces", field(1, b"") * 201, 100) == 101


@pytest.mark.parametrize(
    "data",
    [field(1, field(2, b"") * 1000), field(1, b"") * 1000, field(1, field(2, b"\x1a\0") * 250), field(1, b"\x1a\0") * 1000],
)
def test_messages_without_records_make_no_envelope(data: bytes) -> None:
    assert [found for found in walk.envelopes(data) if isinstance(found, walk.Envelope)] == []


def test_empty_messages_count_in_the_path() -> None:
    bad = field(2, b"")
    data = field(1, b"") + field(1, field(2, b"") + field(2, SCOPE) + field(2, bad))
    assert spans.encode(data).rejected[0].path == "resource_spans[1].scope_spans[2].spans[0]"


@pytest.mark.reference_codec
@pytest.mark.parametrize(
    "data",
    [
        field(1, b"") * 400_000,
        field(1, field(2, b"") * 400_000),
        field(1, field(2, field(3, b"")) * 200_000),
        field(1, b"\x18\x01" * 400_000),
        field(1, field(2, b"\x18\x01" * 400_000 + RECORD)),
    ],
    ids=["resources", "scopes", "scopes without records", "fields of a resource", "fields of a scope"],
)
def test_it_pauses_where_there_are_no_records(data: bytes) -> None:
    pauses = list(codec.encode_stepwise("traces", "default", data, bytes(16), spans.NOW, spans.TERMS))
    assert len(pauses) >= 2


def test_light_is_what_has_few_fields_around_its_records() -> None:
    assert codec.is_light("traces", b"")
    assert codec.is_light("traces", field(1, field(2, RECORD * 998)))
    assert not codec.is_light("traces", field(1, field(2, RECORD * 999)))
    for heavy in (field(1, b"") * 1001, field(1, field(2, b"") * 1000), b"\x18\x01" * 1001, b"\x0b\x0c" * 501):
        assert not codec.is_light("traces", heavy)
        assert codec.is_light("traces", heavy, max_fields=1002)


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that gets one item for each field that is read."""
    read: list[int] = []

    def counted(buffer: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        for found in fields(buffer, start, end):
            read.append(found[0])
            yield found

    for reader in (walk, metric):
        monkeypatch.setattr(reader, "fields", counted)
    return read


def test_whether_it_is_light_is_seen_without_reading_on(monkeypatch: pytest.MonkeyPatch) -> None:
    read = count_reads(monkeypatch)
    for heavy in (field(1, b"") * 50_000, field(1, field(2, b"") * 50_000), field(1, field(2, RECORD * 5000))):
        read.clear()
        assert not codec.is_light("traces", heavy, max_fields=100)
        assert len(read) <= 101


def test_broken_framing_is_light_if_it_breaks_soon() -> None:
    assert codec.is_light("traces", field(1, b"") * 9 + b"\x07", max_fields=10)
    assert codec.is_light("traces", field(1, b"") * 10 + b"\x07", max_fields=10)
    assert not codec.is_light("traces", field(1, b"") * 11 + b"\x07", max_fields=10)


@pytest.mark.parametrize("read", [spans.encode, lambda data: codec.count_items("traces", data, 10)])
def test_the_error_of_a_broken_request_does_not_keep_it(read: Callable[[bytes], object]) -> None:
    data = SAMPLE + b"\x0a\x05"
    before = sys.getrefcount(data)
    with pytest.raises(InvalidPayload, match="a field is longer than its message") as caught:
        read(data)
    error = caught.value.with_traceback(None)
    del caught
    assert (error.__cause__, error.__context__) == (None, None)
    gc.collect()
    assert sys.getrefcount(data) == before


def test_one_span_per_resource_is_within_the_limit() -> None:
    assert codec.count_items("traces", SAMPLE * 500, 500) == 500


POINT = field(5, field(1, b""))
"""The data of a Metric with one point."""
METRIC = field(2, field(1, b"name") + field(2, b"description") + field(3, b"unit") + POINT)


def test_of_metrics_the_points_are_counted() -> None:
    points = field(7, field(1, b"") * 3 + b"\x10\x02\x18\x01" + field(1, b"x"))
    data = field(1, field(2, field(2, points) * 2)) + field(1, field(2, METRIC) + field(2, field(2, b"") + METRIC))
    assert codec.count_items("metrics", data, 10) == 10
    assert codec.count_items("metrics", data, 9) == 10
    assert codec.count_items("traces", data, 10) == codec.count_items("logs", data, 10) == 5
    assert codec.count_items("metrics", data + b"\x07", 3) == 4  # stops before the broken end
    with pytest.raises(InvalidPayload):
        codec.count_items("metrics", data + b"\x07", 100)


def test_one_point_per_resource_is_within_the_limit() -> None:
    scope = field(1, b"") + METRIC + field(3, b"url")
    assert codec.count_items("metrics", field(1, field(1, b"") + field(2, scope) + field(3, b"url")) * 500, 500) == 500


def test_three_containers_to_a_point_are_the_most() -> None:
    for inside, most in ((b"", 298), (b"\x20\x01", 298), (field(5, b""), 298)):
        assert codec.count_items("metrics", field(1, field(2, field(2, inside) * most)), 100) == 0
        assert codec.count_items("metrics", field(1, field(2, field(2, inside) * (most + 1))), 100) == 101


@pytest.mark.parametrize(
    "data",
    [
        field(1, field(2, field(2, field(12, b"") * 100_000))),
        field(1, field(2, field(2, field(5, b"") * 100_000))),
        field(1, field(2, field(2, field(7, b"\x10\x01" * 100_000)))),
        field(1, field(2, field(2, b"") * 100_000)),
    ],
    ids=["fields of a metric", "data", "fields of data", "metrics"],
)
def test_millions_of_fields_around_points_are_over_the_limit(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    read = count_reads(monkeypatch)
    assert codec.count_items("metrics", data, 100) == 101
    assert len(read) <= 16 * 100 + 1010


def test_metrics_are_light_when_they_have_few_fields_around_their_points() -> None:
    def of(points: int) -> bytes:
        return field(1, field(2, field(2, field(5, field(1, b"") * points))))

    # Besides: resource, scope, metric, and the data, which is looked at twice.
    assert codec.is_light("metrics", of(995))
    assert not codec.is_light("metrics", of(996))
    assert codec.is_light("traces", of(996))
    for heavy in (field(12, b"") * 1001, field(5, b"") * 1001, field(5, b"\x10\x01" * 1001)):
        assert not codec.is_light("metrics", field(1, field(2, field(2, heavy))))


def test_whether_metrics_are_light_is_seen_without_reading_on(monkeypatch: pytest.MonkeyPatch) -> None:
    read = count_reads(monkeypatch)
    for heavy in (field(12, b"") * 50_000, field(5, field(1, b"") * 50_000), field(5, b"") * 50_000):
        read.clear()
        assert not codec.is_light("metrics", field(1, field(2, field(2, heavy))), max_fields=100)
        assert len(read) <= 101


def test_invalid_framing_is_found_wherever_it_is() -> None:
    for broken in (SAMPLE + b"\x0a\x05", field(1, b"\x12\x05"), field(1, field(2, RECORD + b"\x12\x7f")), b"not protobuf"):
        with pytest.raises(InvalidPayload):
            spans.encode(broken)
