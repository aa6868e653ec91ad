"""Histograms as PostgreSQL sends them, and the quantiles that migration 008 would tell."""

from __future__ import annotations

import struct

import pytest

from llm_observatory.query.usage.latency import Histogram, merged, quantiles


def sent(begin: int, *counts: int) -> bytes:
    """`array_send` of an int8[] whose first subscript is `begin`."""
    if not counts:
        return struct.pack(">iiI", 0, 0, 20)
    return struct.pack(">iiIii", 1, 0, 20, len(counts), begin) + b"".join(struct.pack(">iq", 8, of) for of in counts)


def test_histograms_are_summed_bucket_by_bucket() -> None:
    assert merged(sent(-3, 1, 2) + sent(0) + sent(-2, 5, 0, 7) + sent(3, 2**40)) == Histogram(-3, (1, 7, 0, 7, 0, 0, 2**40))
    assert merged(sent(0) + sent(90, 1)) == Histogram(90, (1,))
    assert merged(None) == merged(b"") == merged(sent(0)) == Histogram(0, ())


def test_a_quantile_is_the_middle_of_the_bucket_that_holds_its_rank() -> None:
    found = quantiles(merged(sent(15, 0, 50, 0, 45, 0, 5)), 0.0, 0.5, 0.51, 0.95, 0.96, 1.0)
    middles = [2, 2, 2 ** (18 / 16), 2 ** (18 / 16), 2 ** (20 / 16), 2 ** (20 / 16)]
    assert found == pytest.approx([middle * 0.97834 for middle in middles], rel=1e-4)
    assert quantiles(merged(None), 0.5, 0.9) == [None, None]
    assert quantiles(merged(sent(5, 0, 0)), 0.5) == [None]
