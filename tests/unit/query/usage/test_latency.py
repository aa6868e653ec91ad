"""Histograms as PostgreSQL writes them, and the quantiles that migration 008 would tell."""

from __future__ import annotations

from itertools import permutations

import pytest

from llm_observatory.query.usage.latency import REMEMBERED_MAX_CHARACTERS, Histogram, latencies, merged, quantiles


def sent(begin: int, *counts: int | None) -> str:
    """An int8[] whose first subscript is `begin`, as text."""
    if not counts:
        return "{}"
    members = ",".join("NULL" if of is None else str(of) for of in counts)
    return "{" + members + "}" if begin == 1 else f"[{begin}:{begin + len(counts) - 1}]={{{members}}}"


def test_histograms_are_summed_bucket_by_bucket() -> None:
    together = " ".join([sent(-3, 1, 2), sent(0), sent(-2, 5, None, 7), sent(3, 2**40), sent(1, 4)])
    assert merged(together) == Histogram(-3, [1, 7, 0, 7, 4, 0, 2**40])
    assert merged(f"{sent(0)} {sent(90, 1)}") == Histogram(90, [1])
    assert merged(sent(1, None, 5)) == Histogram(1, [0, 5])
    assert merged(None) == merged("") == merged(sent(0)) == merged(f"{sent(0)} {sent(0)}") == Histogram(0, [])


def test_the_order_of_histograms_makes_no_difference() -> None:
    for order in permutations([sent(-1, 1, None, 2), sent(0, 5), sent(5, 7), sent(-9, 3), sent(0)]):
        assert merged(" ".join(order)) == Histogram(-9, [3, 0, 0, 0, 0, 0, 0, 0, 1, 5, 2, 0, 0, 0, 7])


def test_any_int8_is_read() -> None:
    assert merged(sent(7, 2**63 - 1, -(2**63))) == Histogram(7, [2**63 - 1, -(2**63)])


def test_what_is_corrected_is_taken_away() -> None:
    assert merged(f"{sent(89, 2, 3)} {sent(90, -1)}") == Histogram(89, [2, 2])
    assert quantiles(merged(f"{sent(89, 1)} {sent(89, -1)}"), 0.5) == [None]


def test_a_quantile_is_the_middle_of_the_bucket_that_holds_its_rank() -> None:
    found = quantiles(merged(sent(15, 0, 50, None, 45, 0, 5)), 0.0, 0.5, 0.51, 0.95, 0.96, 1.0)
    middles = [2, 2, 2 ** (18 / 16), 2 ** (18 / 16), 2 ** (20 / 16), 2 ** (20 / 16)]
    assert found == pytest.approx([middle * 0.97834 for middle in middles], rel=1e-4)
    assert quantiles(merged(None), 0.5, 0.9) == [None, None]
    assert quantiles(merged(sent(5, 0, 0)), 0.5) == [None]


@pytest.mark.parametrize("parts", [0, 1, 2, REMEMBERED_MAX_CHARACTERS])
def test_what_is_remembered_is_what_it_was(parts: int) -> None:
    """The last one is too long to be."""
    histograms = " ".join(["[89:91]={2,NULL,17}"] * parts) or None
    for of in ((0.5, 0.95), (0.99,), (0.5, 0.95)):
        assert list(latencies(histograms, *of)) == quantiles(merged(histograms), *of)
