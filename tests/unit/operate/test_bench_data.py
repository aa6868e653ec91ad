"""What benchmarks send: of the size its name says, accepted to the last record, never the same bytes twice."""

from __future__ import annotations

import time
from itertools import islice

import pytest

from llm_observatory import codec
from llm_observatory.operate.bench.codec import TERMS
from llm_observatory.operate.bench.data import DATA_SETS, TEMPLATES, DataSet, requests

each_data_set = pytest.mark.parametrize("data_set", DATA_SETS.values(), ids=lambda data_set: data_set.name)

SIZES = {"spans-0.5k": 500, "spans-4k": 4_000, "spans-16k": 16_000}


def encoded(data_set: DataSet, payload: bytes) -> codec.EncodedRequest:
    return codec.encode(data_set.signal, "default", payload, bytes(16), time.time_ns() // 1000, TERMS)


@each_data_set
@pytest.mark.parametrize("items", [1, 64])
def test_every_record_is_taken_in_as_it_is(data_set: DataSet, items: int) -> None:
    for payload in islice(requests(data_set, items, 1), 2):
        made = encoded(data_set, payload)
        assert (made.accepted, made.rejected_count, made.repaired, made.odd) == (items, 0, {}, {})
        assert not made.untimed


@each_data_set
def test_no_two_requests_are_alike(data_set: DataSet) -> None:
    now = time.time_ns()
    payloads = list(islice(requests(data_set, 1, 1, lambda: now), 3 * TEMPLATES))
    assert len(set(payloads)) == len(payloads)


@each_data_set
def test_the_same_seed_makes_the_same(data_set: DataSet) -> None:
    now = time.time_ns()
    one, same, other = (list(islice(requests(data_set, 8, seed, lambda: now), TEMPLATES + 2)) for seed in (1, 1, 2))
    assert one == same
    assert not set(one) & set(other)


@pytest.mark.parametrize("name", SIZES)
def test_spans_have_the_size_that_the_name_says(name: str) -> None:
    [payload] = islice(requests(DATA_SETS[name], 512, 1), 1)
    assert 0.9 * SIZES[name] < len(payload) / 512 < 1.1 * SIZES[name]


def test_times_are_renewed() -> None:
    clock = iter([10**18, 10**18, 10**18 + 3 * 10**9])
    made = [
        codec.encode("traces", "default", payload, bytes(16), 10**15, TERMS).max_time
        for payload in islice(requests(DATA_SETS["spans-0.5k"], 1, 1, lambda: next(clock)), 3)
    ]
    assert all(time_us is not None and abs(time_us - 10**15) < 30 * 10**6 for time_us in made)
