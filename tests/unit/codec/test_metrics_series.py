"""What a data point is a value of: the rows of series and their ids."""

from __future__ import annotations

import random
from hashlib import blake2b
from itertools import combinations
from typing import Any

import pytest

from llm_observatory import codec, tables
from llm_observatory.codec.reference.series import SeriesTable
from tests.plugins.codecs import Lower
from tests.unit.codec import metrics, spans
from tests.unit.codec.metrics import CUMULATIVE, label, labels, metric, point, request
from tests.unit.codec.spans import NOW


def series_of(*given: Any, **more: Any) -> list[bytes]:
    return [row["series_id"] for row in labels(metrics.encode(request(*given, **more)))]


def test_a_whole_row() -> None:
    found = label(
        metric(
            "sum",
            point("sum", {"gen_ai.token.type": "input", "b": 1, "a": [True, None]}),
            data={"is_monotonic": True},
            unit="{token}",
            description="tokens",
            metadata=spans.attributes({"prometheus.type": "counter"}),
        )
    )
    assert len(found.pop("series_id")) == len(found.pop("source_id")) == 16
    assert found == {
        "tenant": "default",
        "service_name": "shop",
        "metric_name": "llm.tokens",
        "metric_type": "sum",
        "unit": "{token}",
        "description": "tokens",
        "temporality": CUMULATIVE,
        "is_monotonic": True,
        "metadata": {"prometheus.type": "counter"},
        "labels": {"a": [True, None], "b": 1, "gen_ai.token.type": "input"},
        "last_seen": NOW // spans.DAY_US,
    }


@pytest.mark.parametrize("kind", metrics.POINTS)
def test_what_a_kind_has(kind: str) -> None:
    found = label(metric(kind, point(kind)))
    assert found["metric_type"] == kind
    assert found["temporality"] == (CUMULATIVE if kind in metrics.WITH_TEMPORALITY else None)
    assert found["is_monotonic"] == (False if kind == "sum" else None)
    assert (found["unit"], found["description"], found["metadata"], found["labels"]) == ("", "", None, {})


def test_the_source_of_a_series_is_there() -> None:
    encoded = metrics.encode(request(metric("gauge", point())))
    assert [row["source_id"] for row in labels(encoded)] == list(encoded.dimensions["telemetry_sources"])


def test_points_name_their_series() -> None:
    points = [point(items={"n": number % 3}) for number in range(9)]
    encoded = metrics.encode(request(metric("gauge", *points), metric("gauge", points[2])))
    assert [row["labels"] for row in labels(encoded)] == [{"n": 0}, {"n": 1}, {"n": 2}]
    ids = [row["series_id"] for row in labels(encoded)]
    assert [row["series_id"] for row in metrics.rows(encoded)] == [*ids, *ids, *ids, ids[2]]


def test_labels_are_sorted_by_code_point() -> None:
    keys = ["", "$", "A", "Z", "a", "a.b", "a_b", "é", "\ue000", "\U0001f600"]
    shuffled = random.Random(7).sample(keys, len(keys))
    encoded = metrics.encode(request(metric("gauge", point(items=dict.fromkeys(shuffled, 1)))))
    (row,) = encoded.dimensions["metric_labels"].values()
    place = [column.name for column in tables.METRIC_LABELS.columns].index("labels")
    text = (codec.tuple_fields(row)[place] or b"")[1:].decode()
    escaped = ["$$" if key == "$" else key for key in keys]
    assert text == "{" + ",".join(f'"{key}":1' for key in escaped) + "}"


def test_the_order_of_attributes_says_nothing() -> None:
    one, other = point(items={"a": 1, "b": "x"}), point(items={"b": "x", "a": 1})
    assert len(series_of(metric("gauge", one, other))) == 1


DIFFERENT: dict[str, Any] = {
    "plain": metric("sum", point("sum", {"k": 1})),
    "double": metric("sum", point("sum", {"k": 1.0})),
    "text": metric("sum", point("sum", {"k": "1"})),
    "bool": metric("sum", point("sum", {"k": True})),
    "none": metric("sum", point("sum", {"k": None})),
    "negative zero": metric("sum", point("sum", {"k": -0.0})),
    "zero": metric("sum", point("sum", {"k": 0.0})),
    "no attribute": metric("sum", point("sum")),
    "kind": metric("gauge", point("gauge", {"k": 1})),
    "name": metric("sum", point("sum", {"k": 1}), name="other"),
    "unit": metric("sum", point("sum", {"k": 1}), unit="other"),
    "description": metric("sum", point("sum", {"k": 1}), description="other"),
    "unit is no description": metric("sum", point("sum", {"k": 1}), unit="ot", description="her"),
    "metadata": metric("sum", point("sum", {"k": 1}), metadata=spans.attributes({"m": 1})),
    "temporality": metric("sum", point("sum", {"k": 1}), data={"aggregation_temporality": 1}),
    "monotonic": metric("sum", point("sum", {"k": 1}), data={"is_monotonic": True}),
}


def test_what_differs_is_another_series() -> None:
    assert len(set(series_of(*DIFFERENT.values()))) == len(DIFFERENT)


def test_another_source_or_tenant_is_another_series() -> None:
    plain = DIFFERENT["plain"]
    payload = request(plain)
    encoded = codec.encode("metrics", "acme", payload, bytes(16), NOW, spans.TERMS)
    (of_acme,) = encoded.dimensions["metric_labels"]
    ids = [of_acme, *series_of(plain), *series_of(plain, scope="b"), *series_of(plain, resource={"k": 1})]
    assert [pair for pair in combinations(ids, 2) if pair[0] == pair[1]] == []


def test_the_id_is_made_from_the_row_and_not_from_the_day() -> None:
    payload = request(*DIFFERENT.values())
    encoded = metrics.encode(payload)
    names = [column.name for column in tables.METRIC_LABELS.columns]
    for identity, row in encoded.dimensions["metric_labels"].items():
        data = b""
        for name, value in zip(names, codec.tuple_fields(row), strict=True):
            if name not in ("series_id", "last_seen"):
                data += b"\xff\xff\xff\xff" if value is None else len(value).to_bytes(4, "big") + value
        assert identity == blake2b(data, digest_size=16).digest()
    tomorrow = metrics.encode(payload, now=NOW + spans.DAY_US)
    assert list(tomorrow.dimensions["metric_labels"]) == list(encoded.dimensions["metric_labels"])
    assert tomorrow.dimensions["metric_labels"] != encoded.dimensions["metric_labels"]


def test_an_id_never_changes() -> None:
    """A new one for what is stored already would be the same series twice: a change of the format needs a migration."""
    (found,) = series_of(DIFFERENT["plain"])
    assert found.hex() == "f6e26694a0a039eca158b5c6d44b6141"


def test_a_name_is_whole_in_the_series_and_cut_in_the_points() -> None:
    encoded = metrics.encode(request(metric("gauge", point(), name="é" * 400)))
    assert [row["metric_name"] for row in labels(encoded)] == ["é" * 400]
    assert [row["metric_name"] for row in metrics.rows(encoded)] == ["é" * 256]


def test_an_empty_name_is_kept() -> None:
    encoded = metrics.encode(request(metric("gauge", point(), name="")))
    assert [row["metric_name"] for row in [*labels(encoded), *metrics.rows(encoded)]] == ["", ""]


def big(count: int, *, different: bool) -> bytes:
    """Points of a Metric with a description of 4000 bytes, in as many series or in one."""
    return request(metric("gauge", *[point(items={"n": n * different}) for n in range(count)], description="x" * 4000))


def test_a_large_description_over_many_series_is_stopped(
    limits: Lower, implementation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits(dimension_rows_max_bytes=10_000)
    made = 0
    make = SeriesTable.series

    def counted(self: SeriesTable, row: list[bytes], labels: bytes) -> tuple[bytes, bytes]:
        nonlocal made
        made += 1
        return make(self, row, labels)

    monkeypatch.setattr(SeriesTable, "series", counted)
    encoded = metrics.encode(big(50, different=True) + request(metric("gauge", point(items={"last\0": 1}))))
    assert (encoded.accepted, encoded.rejected_by_rule) == (3, {"sources_too_large": 48})
    assert encoded.rejected[0].path == "resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[3]"
    if implementation == "reference":
        assert made == 3  # what is refused is not made first: it would take as long
    assert encoded.repaired == {}
    assert len(encoded.dimensions["metric_labels"]) == 3


def test_a_large_description_of_one_series_is_not(limits: Lower) -> None:
    limits(dimension_rows_max_bytes=1000)
    encoded = metrics.encode(big(50, different=False))
    assert (encoded.accepted, encoded.rejected_by_rule) == (50, {})
    assert len(encoded.dimensions["metric_labels"]) == 1


@pytest.mark.parametrize("place", ["labels", "metadata"])
def test_the_order_of_keys_says_nothing_at_any_level(place: str) -> None:
    orders: list[dict[str, object]] = [
        {"b": 1, "a": {"y": [{"d": 1, "c": 2}], "x": 2}},
        {"a": {"x": 2, "y": [{"c": 2, "d": 1}]}, "b": 1},
    ]
    series = set()
    for items in orders:
        made = (
            metrics.metric("gauge", metrics.point(items=items))
            if place == "labels"
            else metrics.metric("gauge", metrics.point(), metadata=spans.attributes(items))
        )
        series |= set(metrics.encode(metrics.request(made)).dimensions["metric_labels"])
    assert len(series) == 1
