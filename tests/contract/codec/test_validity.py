"""The validity table in every field where it can be broken, one thing at a time, beside records that are good.

The fields are found by reflection over the descriptors. What must happen is said twice: by the table, for the type and name of
the field, and by the model of the round trip. The neighbours are always stored as they came.

`HOSTILE_CASES=all` takes all 25,000 cases, in five minutes; without it all that a message can hold, and of what the
wire alone can hold every 17th, always the same ones.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from llm_observatory.errors import InvalidPayload
from llm_observatory.tables.rules import REJECTIONS, REPAIRS
from tests.plugins import otlp_messages
from tests.plugins.corpus import ALL, CORPUS, SAID, WRITTEN, Case, by_field
from tests.plugins.good_requests import good_request, without_first
from tests.plugins.hostile_wire import Path, Splice, Style, write
from tests.plugins.normal_form import envelopes_of, predict
from tests.plugins.otlp_messages import NOW, REQUESTS
from tests.plugins.round_trip import check, encode, examples, hold
from tests.plugins.validity import MALFORMED
from tests.unit.codec.spans import TERMS


@cache
def neighbours(signal: str, kind: str, level: str) -> Counter[str]:
    """What is stored of a good request without what a field of that level may cost."""
    good = good_request(signal, kind)
    return predict(envelopes_of(without_first(good, level, kind)), NOW, TERMS).records


def hold_case(case: Case) -> None:
    """What the table, the model and the codec say is the same, and no neighbour is harmed."""
    expected, payload = case.expected(NOW, TERMS), case.payload()
    if expected is None:
        with pytest.raises(InvalidPayload):
            encode(case.signal, payload)
        return
    case.agrees(expected)
    beside = neighbours(case.signal, case.kind, case.level)
    assert beside
    assert expected.records >= beside
    hold(case.signal, payload, expected)


def hold_cases(cases: list[Case]) -> None:
    for case in cases:
        try:
            hold_case(case)
        except Exception as error:
            error.add_note(str(case))
            raise


@pytest.mark.parametrize("name", by_field(SAID))
def test_what_a_field_may_hold(name: str) -> None:
    hold_cases(by_field(SAID)[name])


@pytest.mark.parametrize("name", by_field(WRITTEN))
def test_what_only_the_wire_can_hold(name: str) -> None:
    hold_cases(by_field(WRITTEN)[name])


NESTING = tuple(case for case in SAID if case.spoiled.label.endswith((" arrays", " maps")))


@pytest.mark.parametrize("name", by_field(NESTING))
def test_an_unknown_group_is_as_deep_as_a_message(name: str) -> None:
    for case in by_field(NESTING)[name]:
        check(case.signal, case.request(), Style(unknown=True))


@pytest.mark.parametrize("signal", REQUESTS)
def test_what_protobuf_refuses_as_a_whole_is_salvaged(signal: str) -> None:
    """Of a request with one bad string, or too deep a value, protobuf reads nothing; tests above say what is stored of it."""
    refused = [
        case
        for case in CORPUS
        if (case.signal, case.spoiled.rejected) == (signal, MALFORMED) and case.spoiled.label != "of another signal"
    ]
    levels = Counter(case.level for case in refused)
    assert levels.keys() == {"resource", "scope", *(("metric", "point") if signal == "metrics" else ("record",))}
    for case in refused[::SALVAGE_STEP]:
        with pytest.raises(DecodeError):
            REQUESTS[signal].FromString(case.payload())


SALVAGE_STEP = 1 if ALL else 13

TOGETHER = {
    (signal, kind): [case for case in CORPUS if (case.signal, case.kind) == (signal, kind) and case.may_be_with_others]
    for signal, kind in dict.fromkeys((case.signal, case.kind) for case in CORPUS)
}


@examples()
@given(data=st.data())
def test_several_at_once(data: st.DataObject) -> None:
    signal, kind = data.draw(st.sampled_from(list(TOGETHER)))
    request = good_request(signal, kind)
    splices: dict[Path, Splice] = {}
    for case in data.draw(st.lists(st.sampled_from(TOGETHER[signal, kind]), min_size=2, max_size=6)):
        case.spoil(request)
        if case.spoiled.splice is not None:
            splices[case.path[:-1]] = case.spoiled.splice
    style = data.draw(otlp_messages.styles)
    hold(signal, write(request, style, splices), predict(envelopes_of(request), NOW, TERMS, style.groups))


def test_the_corpus_is_whole() -> None:
    """Fields that a list would forget, every rule of one record, and each case once."""
    assert {
        "resource_spans.resource.entity_refs.id_keys",
        "resource_spans.schema_url",
        "resource_spans.scope_spans.schema_url",
        "resource_spans.scope_spans.spans.links.attributes.value.kvlist_value.values.value.string_value",
        "resource_metrics.scope_metrics.metrics.sum.data_points.exemplars.filtered_attributes.key",
        "resource_metrics.scope_metrics.metrics.exponential_histogram.data_points.negative.bucket_counts",
        "resource_logs.scope_logs.log_records.event_name",
        "resource_logs.scope_logs.log_records.body.array_value.values.double_value",
    } <= by_field(CORPUS).keys()
    assert len({(case.path, case.spoiled.label) for case in CORPUS}) == len(CORPUS)
    assert REJECTIONS.keys() - {case.rejected for case in CORPUS} == OF_MANY
    assert REPAIRS.keys() - {case.spoiled.repaired for case in CORPUS} == OF_CONTENT


OF_CONTENT = {"content_truncated", "content_dropped"}
"""Repairs that the terms of the operator make: test_round_trip.py, test_content_size.py."""

OF_MANY = {
    "row_too_large",
    "request_rows_too_large",
    "sources_too_large",
    "too_much_content",
    "refused_by_database",
}
"""Rejections of what is large in all (test_measure.py, test_request_rows.py, test_content_size.py), or of no field."""
