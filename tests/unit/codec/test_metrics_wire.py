"""A Metric on the wire: fields in any order, kinds that merge or clear each other, and nothing that grows with its points."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from llm_observatory import codec
from llm_observatory.codec import EncodedRequest
from llm_observatory.codec.reference import measure, walk
from llm_observatory.codec.reference import metric as wire
from llm_observatory.codec.reference.encoder import STEP_BYTES
from llm_observatory.errors import InvalidPayload
from llm_observatory.tables.rules import VALUES_MAX
from tests.plugins.codecs import Lower
from tests.unit.codec import metrics, spans
from tests.unit.codec.metrics import TIME, exemplar, metric, point, request
from tests.unit.codec.spans import NOW, TERMS, field
from tests.unit.codec.wire import scalar, varint

FIELDS = {kind: Metric.DESCRIPTOR.fields_by_name[kind].number for kind in metrics.POINTS}
ONE, TWO, THREE = (field(1, point("sum", {"n": n}).SerializeToString()) for n in (1, 2, 3))
NAME, UNIT, DESCRIPTION = field(1, b"calls"), field(3, b"{call}"), field(2, b"made")
METADATA = field(12, field(1, b"m"))
DELTA, CUMULATIVE, MONOTONIC = scalar(2, 1), scalar(2, 2), scalar(3, 1)
UNKNOWN = b"\xa0\x06\x05" + b"\xa3\x06\x08\x01\xa4\x06" + b"\xa2\x06\x06future" + b"\xa5\x06abcd" + b"\xa1\x06abcdefgh"
BAD_FRAME = b"\x0a\x7f"


def payload(*given: bytes) -> bytes:
    return field(1, field(2, b"".join(field(2, data) for data in given)))


def gauge(data: bytes) -> bytes:
    return field(5, data)


def sum_(data: bytes) -> bytes:
    return field(7, data)


def whole(data: bytes) -> tuple[Any, ...]:
    """All that becomes of a request with this Metric."""
    encoded = metrics.encode(payload(data))
    return (encoded.tables, encoded.dimensions, encoded.rejected_by_rule, encoded.odd, encoded.repaired)


def canonical(data: bytes) -> bytes:
    """The Metric as upb reads and writes it."""
    return Metric.FromString(data).SerializeToString()


def numbers(data: bytes) -> list[Any]:
    encoded = metrics.encode(payload(data))
    labels = {row["series_id"]: row["labels"]["n"] for row in metrics.labels(encoded)}
    return [labels[row["series_id"]] for row in metrics.rows(encoded)]


def test_the_kinds_are_those_of_otlp() -> None:
    kinds = {described.number << 3 | 2 for described in Metric.DESCRIPTOR.oneofs_by_name["data"].fields}
    assert set(wire.KINDS) == kinds


def test_fields_in_any_order_give_the_same_rows() -> None:
    data = [b"".join(order) for order in itertools.permutations([ONE + TWO, CUMULATIVE, MONOTONIC])]
    sample = whole(NAME + UNIT + DESCRIPTION + METADATA + sum_(data[0]))
    for inner in data:
        for order in itertools.permutations([NAME, UNIT, DESCRIPTION + METADATA, sum_(inner)]):
            assert whole(b"".join(order)) == sample


def test_points_between_scalars_and_unknown_fields() -> None:
    inner = UNKNOWN + ONE + UNKNOWN + CUMULATIVE + TWO + MONOTONIC + UNKNOWN
    data = UNKNOWN + NAME + UNKNOWN + sum_(inner) + UNKNOWN + UNIT + UNKNOWN
    assert whole(data) == whole(NAME + UNIT + sum_(ONE + TWO + CUMULATIVE + MONOTONIC))


def test_data_of_one_kind_merges() -> None:
    pieces = NAME + sum_(ONE + DELTA) + UNIT + sum_(b"") + sum_(TWO + CUMULATIVE) + UNKNOWN + sum_(MONOTONIC + THREE)
    assert numbers(pieces) == [1, 2, 3]
    assert whole(pieces) == whole(NAME + UNIT + sum_(ONE + TWO + THREE + CUMULATIVE + MONOTONIC)) == whole(canonical(pieces))


def test_another_kind_clears_what_came_before() -> None:
    switched = sum_(ONE + CUMULATIVE + MONOTONIC) + gauge(TWO) + NAME + sum_(THREE)
    assert numbers(switched) == [3]
    assert whole(switched) == whole(canonical(switched)) == whole(NAME + sum_(THREE))
    assert [row["metric_type"] for row in metrics.labels(metrics.encode(payload(gauge(ONE) + sum_(TWO))))] == ["sum"]
    assert [row["metric_type"] for row in metrics.labels(metrics.encode(payload(sum_(ONE) + gauge(TWO))))] == ["gauge"]
    assert codec.count_items("metrics", payload(switched), 10) == 1


def test_a_kind_without_points_clears_as_well() -> None:
    encoded = metrics.encode(payload(NAME + sum_(ONE + TWO) + gauge(b"")))
    assert (encoded.accepted, encoded.rejected_count, encoded.odd, encoded.tables) == (0, 0, {}, ())
    assert codec.count_items("metrics", payload(sum_(ONE + TWO) + gauge(b"")), 10) == 0


def test_points_are_numbered_through_merged_data() -> None:
    bad = field(1, b"")
    encoded = metrics.encode(payload(gauge(bad + bad) + NAME + sum_(ONE + bad) + UNIT + sum_(TWO + bad)))
    prefix = "resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points"
    assert [rejection.path for rejection in encoded.rejected] == [f"{prefix}[1]", f"{prefix}[3]"]


def test_of_strings_the_last_one_counts_and_metadata_adds_up() -> None:
    more = field(12, field(1, b"o"))
    data = field(1, b"old") + METADATA + gauge(ONE) + NAME + more + field(3, b"old") + UNIT
    (found,) = metrics.labels(metrics.encode(payload(data)))
    assert (found["metric_name"], found["unit"], found["metadata"]) == ("calls", "{call}", {"m": None, "o": None})
    assert whole(data) == whole(canonical(data))


@pytest.mark.parametrize("raw", [0, 1, 2, 127, 2**15 - 1, 2**32, 2**32 + 1, 2**32 - 1, 2**64 - 1, 2**64 - 2**15, 2**63 + 2])
def test_enums_are_the_low_32_bits_with_their_sign(raw: int) -> None:
    data = NAME + sum_(ONE + varint(2 << 3) + varint(raw))
    (found,) = metrics.labels(metrics.encode(payload(data)))
    assert found["temporality"] == Metric.FromString(data).sum.aggregation_temporality
    assert whole(data) == whole(canonical(data))


@pytest.mark.parametrize("raw", [b"\x00", b"\x01", b"\x02", b"\x80\x00", b"\x80\x80\x80\x80\x10", varint(2**63)])
def test_any_number_but_0_is_true(raw: bytes) -> None:
    data = NAME + sum_(ONE + varint(3 << 3) + raw)
    (found,) = metrics.labels(metrics.encode(payload(data)))
    assert found["is_monotonic"] is Metric.FromString(data).sum.is_monotonic


def test_of_scalars_the_last_counts() -> None:
    data = NAME + sum_(MONOTONIC + DELTA + ONE + scalar(3, 0) + CUMULATIVE)
    (found,) = metrics.labels(metrics.encode(payload(data)))
    assert (found["temporality"], found["is_monotonic"]) == (2, False)


def test_scalars_of_another_kind_are_unknown() -> None:
    for kind in ("gauge", "summary"):
        inner = field(1, point(kind).SerializeToString())
        assert whole(NAME + field(FIELDS[kind], inner + DELTA + MONOTONIC)) == whole(NAME + field(FIELDS[kind], inner))
    inner = field(1, point("histogram").SerializeToString()) + DELTA
    assert whole(NAME + field(9, inner + MONOTONIC)) == whole(NAME + field(9, inner))


def test_fields_of_other_wire_types_are_unknown() -> None:
    odd = b"\x08\x01" + b"\x28\x01" + b"\x65abcd" + b"\x3b\x3c"
    inner = ONE + b"\x08\x07" + b"\x12\x01\x01" + b"\x15abcd" + CUMULATIVE + b"\x0b\x0c"
    assert whole(odd + NAME + sum_(inner) + odd) == whole(NAME + sum_(ONE + CUMULATIVE))


HEADS = [b"", NAME, UNIT, DESCRIPTION, METADATA, UNKNOWN, field(1, b"x"), field(12, field(1, b"z") + field(2, field(1, b"1")))]
INNER = st.lists(st.sampled_from([ONE, TWO, THREE, DELTA, CUMULATIVE, MONOTONIC, scalar(3, 0), UNKNOWN]), max_size=4).map(
    b"".join
)
PIECES = st.one_of(
    st.sampled_from(HEADS), INNER.map(gauge), INNER.map(sum_), INNER.map(sum_), st.just(field(11, b"")), st.just(field(9, b""))
)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(PIECES, max_size=8).map(b"".join))
def test_it_is_read_as_upb_reads_it(data: bytes) -> None:
    assert whole(data) == whole(canonical(data))
    message = Metric.FromString(data)
    kind = message.WhichOneof("data")
    points = len(getattr(message, kind).data_points) if kind else 0
    assert codec.count_items("metrics", payload(data), 100) == points


SAMPLE = request(
    metric("sum", point("sum", {"k": [1, {"a": b"b"}]}, exemplars=[exemplar()]), metadata=spans.attributes({"m": 1}), unit="u"),
    metric("histogram", point("histogram", count=3, bucket_counts=[1, 2], explicit_bounds=[0.5])),
    metric("gauge", point(), point()),
)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped_bytes_give_an_answer_or_invalid_payload(changes: list[tuple[int, int]]) -> None:
    data = bytearray(SAMPLE)
    for position, value in changes:
        data[position] = value
    try:
        encoded = metrics.encode(bytes(data))
    except InvalidPayload:
        with pytest.raises(InvalidPayload):
            codec.count_items("metrics", bytes(data), 1000)
        return
    assert encoded.accepted + encoded.rejected_count == codec.count_items("metrics", bytes(data), 1000)


def test_every_prefix_is_a_request_or_invalid() -> None:
    for length in range(1, len(SAMPLE)):
        with pytest.raises(InvalidPayload):
            metrics.encode(SAMPLE[:length])
        with pytest.raises(InvalidPayload):
            codec.count_items("metrics", SAMPLE[:length], 10)


@pytest.mark.parametrize("broken", [NAME + BAD_FRAME, gauge(ONE + BAD_FRAME), gauge(ONE) + b"\x07", gauge(ONE + b"\x10")])
def test_broken_framing_around_the_points_is_a_broken_request(broken: bytes) -> None:
    for read in (metrics.encode, lambda data: codec.count_items("metrics", data, 10)):
        with pytest.raises(InvalidPayload):
            read(payload(gauge(ONE), broken))


# Steps


def drain(steps: Generator[None, None, EncodedRequest]) -> tuple[int, EncodedRequest]:
    """How often it yielded, and what it returned."""
    pauses = 0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return pauses, done.value
        pauses += 1


def stepwise(data: bytes) -> Generator[None, None, EncodedRequest]:
    return codec.encode_stepwise("metrics", "default", data, bytes(16), NOW, TERMS)


def many(count: int, kind: str = "sum") -> bytes:
    return request(metric(kind, *[point(kind, {"k": "x" * 400, "n": number}) for number in range(count)]))


@pytest.mark.reference_codec
def test_stepwise_gives_what_the_whole_gives_and_pauses_inside_a_metric() -> None:
    data = many(3000)
    pauses, encoded = drain(stepwise(data))
    assert encoded == metrics.encode(data)
    assert encoded.accepted == 3000
    assert pauses == len(data) // STEP_BYTES


@pytest.mark.reference_codec
def test_requests_may_be_interleaved() -> None:
    one, other = many(1200), many(1300, "histogram")
    steps = [stepwise(data) for data in (one, other)]
    for step in steps:
        next(step)
    assert [drain(step)[1] for step in steps] == [metrics.encode(one), metrics.encode(other)]


FEW = 3 * walk.PAUSE_FIELDS
NOTHING = {
    "metrics": field(1, field(2, field(2, b"") * (FEW + 200_000))),
    "metadata": payload(field(12, b"") * FEW + gauge(ONE)),
    "unknown fields of a metric": payload(b"\x20\x01" * FEW + gauge(ONE)),
    "data": payload(gauge(b"") * FEW + gauge(ONE)),
    "kinds by turns": payload((gauge(b"") + sum_(b"")) * FEW + gauge(ONE)),
    "scalars of the data": payload(sum_(DELTA * FEW + ONE)),
    "refused": field(1, field(1, b"\xff") + field(2, field(2, gauge(b"\x10\x01" * FEW)))),
}


@pytest.mark.reference_codec
@pytest.mark.parametrize("data", NOTHING.values(), ids=NOTHING.keys())
def test_it_pauses_where_there_are_no_points(data: bytes) -> None:
    assert drain(stepwise(data))[0] >= 3


@pytest.mark.reference_codec
def test_it_pauses_on_every_way_through_the_points() -> None:
    data = payload(gauge(field(1, b"") * FEW))
    pauses, encoded = drain(stepwise(data))
    assert encoded.rejected_by_rule == {"point_time_missing": FEW}
    assert pauses >= 3 + len(data) // STEP_BYTES


# Memory and work


def peak(data: bytes) -> int:
    """Bytes of Python objects at most while it is encoded."""
    tracemalloc.start()
    try:
        metrics.encode(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


BOUNDED = {
    "points that are rejected": lambda count: payload(gauge(field(1, b"") * count)),
    "metrics without data": lambda count: field(1, field(2, field(2, b"") * count)),
    "metadata": lambda count: payload(field(12, b"") * count + gauge(ONE)),
    "names": lambda count: payload(field(1, b"ab") * count + gauge(ONE)),
    "names between data": lambda count: payload((field(1, b"ab") + gauge(b"")) * count + gauge(ONE)),
    "data": lambda count: payload(gauge(b"") * count + gauge(ONE)),
    "scalars": lambda count: payload(sum_(DELTA * count + ONE)),
    "kinds that clear each other": lambda count: payload((gauge(ONE) + sum_(TWO)) * count),
    "pieces of a resource": lambda count: field(1, field(1, b"\x10\x01") * count + field(2, field(2, gauge(ONE)))),
}


@pytest.mark.parametrize("make", BOUNDED.values(), ids=BOUNDED.keys())
def test_memory_does_not_grow_with_what_is_not_stored(make: Any) -> None:
    data = make(30_000)
    assert peak(data) < 6 * len(data) + 100_000


@pytest.mark.parametrize("entry", [field(12, b""), field(12, field(1, b"m"))])
def test_too_much_metadata_refuses_the_points_of_its_metric_alone(entry: bytes) -> None:
    fine = field(2, NAME + gauge(ONE))
    data = field(2, entry * (VALUES_MAX + 1) + gauge(ONE + TWO))
    encoded = metrics.encode(field(1, field(2, fine + data + fine)))
    assert (encoded.accepted, encoded.rejected_by_rule) == (2, {"too_many_values": 2})


def test_a_description_too_large_for_a_row_refuses_the_points_of_its_metric_alone(limits: Lower) -> None:
    limits(row_max_bytes=150_000)
    encoded = metrics.encode(payload(NAME + gauge(ONE), field(2, b"x" * 160_000) + gauge(ONE + TWO)))
    assert (encoded.accepted, encoded.rejected_by_rule) == (1, {"row_too_large": 2})


@pytest.mark.reference_codec
def test_a_metric_is_never_parsed_with_its_points(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []
    exceeded = measure.exceeded

    def seen(data: bytes, root: measure.Shape) -> str | None:
        parsed.append(len(data))
        return exceeded(data, root)

    monkeypatch.setattr(measure, "exceeded", seen)
    metrics.encode(many(100))
    assert len(parsed) == 103  # resource, scope, head of the metric, points
    assert max(parsed) < 500


# What the encoded request says


def test_tables_come_in_writing_order_and_hours_are_touched_once() -> None:
    hour = TIME // 3_600_000_000_000
    times = [hour * 3_600_000_000_000, TIME, (hour - 1) * 3_600_000_000_000, TIME + 1]
    encoded = metrics.encode(request(metric("gauge", *[point(time_unix_nano=time) for time in times])))
    assert [(table.name, table.rows) for table in encoded.tables] == [("llm_metrics", 4), ("ingest_touched", 2)]
    assert list(encoded.dimensions) == ["telemetry_sources", "metric_labels"]
    common = {"tenant": "default", "signal": "metrics", "trace_ids": [], "touched_at": NOW}
    hours = [(hour - 1) * 3_600_000_000, hour * 3_600_000_000]
    assert spans.read_table(encoded, "ingest_touched") == [common | {"hour": start} for start in hours]
    assert (encoded.hours, encoded.min_time, encoded.max_time) == (tuple(hours), hours[0], (TIME + 1) // 1000)
    assert encoded.untimed is False


def test_the_same_input_gives_the_same_bytes() -> None:
    assert metrics.encode(SAMPLE) == metrics.encode(SAMPLE)
    assert metrics.encode(ExportMetricsServiceRequest.FromString(SAMPLE).SerializeToString()) == metrics.encode(SAMPLE)


def test_the_tenant_leads_every_row() -> None:
    encoded = codec.encode("metrics", "acme", SAMPLE, bytes(16), NOW, TERMS)
    made = [row for table in encoded.tables for chunk in table.chunks for row in spans.split_rows(chunk)]
    made += [row for rows in encoded.dimensions.values() for row in rows.values()]
    assert len(made) == 4 + 1 + 1 + 3
    assert [codec.tuple_fields(row)[0] for row in made] == [b"acme"] * len(made)
