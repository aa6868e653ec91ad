"""Histograms as PostgreSQL sends them, and the quantiles that migration 008 would tell."""

from __future__ import annotations

import struct

import pytest

from llm_observatory.query.usage.latency import merged, quantile


def sent(begin: int, *counts: int | None) -> bytes:
    """`array_send` of an int8[] whose first subscript is `begin`."""
    if not counts:
        return struct.pack(">iiI", 0, 0, 20)
    elements = b"".join(struct.pack(">i", -1) if of is None else struct.pack(">iq", 8, of) for of in counts)
    return struct.pack(">iiIii", 1, int(None in counts), 20, len(counts), begin) + elements


def test_histograms_are_summed_bucket_by_bucket() -> None:
    counts = merged(sent(-3, 1, 2) + sent(0) + sent(-2, 5, None, 7) + sent(90, 2**40))
    assert dict(counts) == {-3: 1, -2: 7, 0: 7, 90: 2**40}
    assert merged(None) == merged(b"") == merged(sent(0)) == {}


def test_a_quantile_is_the_middle_of_the_bucket_that_holds_its_rank() -> None:
    counts = merged(sent(16, 50, None, 45, 0, 5))
    assert [quantile(counts, of) for of in (0.0, 0.5, 0.51, 0.95, 0.96, 1.0)] == pytest.approx(
        [2 * 0.97834] * 2 + [2 ** (18 / 16) * 0.97834] * 2 + [2 ** (20 / 16) * 0.97834] * 2, rel=1e-4
    )
    assert quantile(merged(None), 0.5) is None
