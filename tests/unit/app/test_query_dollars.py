"""Money, for people: a price is never shown as nothing."""

from __future__ import annotations

import pytest

from llm_observatory.app.cli.query.shown import dollars


@pytest.mark.parametrize(
    "value, shown",
    [
        (None, ""), (0.0, "$0.00"), (1.2e-7, "<$0.000001"), (0.000001, "$0.000001"), (0.000317, "$0.000317"),
        (0.5, "$0.5"), (1234.5, "$1,234.50"),
    ],
)  # fmt: skip
def test_dollars(value: float | None, shown: str) -> None:
    assert dollars(value) == shown
