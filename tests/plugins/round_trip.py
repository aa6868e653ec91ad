"""A request through the codec and back, held against the model; and how many requests are tried."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

from llm_observatory import codec
from llm_observatory.codec import EncodedRequest, Terms
from tests.plugins.hostile_wire import Style, write
from tests.plugins.normal_form import Expected, envelopes_in, envelopes_of, predict
from tests.plugins.otlp_messages import NOW
from tests.plugins.stored import decoded
from tests.unit.codec.spans import TERMS

CI_EXAMPLES = 300
WHOLE = Terms(max_age_us=None, max_ahead_us=2**62, content_max_bytes=2**30)
"""Terms under which nothing is refused for its time, or cut."""


def examples(ci: int = CI_EXAMPLES) -> Callable[[Any], Any]:
    """ROUND_TRIP_EXAMPLES of them, drawn anew; without it `ci`, always the same ones."""
    given = os.environ.get("ROUND_TRIP_EXAMPLES")
    return settings(
        max_examples=int(given) if given else ci,
        derandomize=not given,
        database=None,
        deadline=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
            HealthCheck.function_scoped_fixture,
        ],
    )


def encode(signal: str, payload: bytes, terms: Terms = TERMS) -> EncodedRequest:
    """The request as rows, received at NOW."""
    return codec.encode(signal, "default", payload, codec.digest(signal, "default", payload), NOW, terms)


def check(signal: str, request: Any, style: Style, terms: Terms = TERMS, payload: bytes | None = None) -> Expected:
    """All that the model says about a request comes true. Returns what it says. `payload`: it was written otherwise."""
    expected = predict(envelopes_of(request), NOW, terms, style.groups)
    hold(signal, write(request, style) if payload is None else payload, expected, terms)
    return expected


def hold(signal: str, payload: bytes, expected: Expected, terms: Terms = TERMS) -> None:
    """The codec does with a request what is expected, and gives back what it stored."""
    encoded = encode(signal, payload, terms)
    assert dict(encoded.rejected_by_rule) == expected.rejected
    assert dict(encoded.repaired) == expected.repaired
    assert dict(encoded.odd) == expected.odd
    assert encoded.accepted == expected.records.total()
    again = predict(envelopes_in(signal, decoded(signal, encoded)), NOW, WHOLE)
    assert again.records == expected.records
    assert again == Expected(records=expected.records, odd=again.odd)
