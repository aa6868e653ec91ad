"""OTLP in, the same OTLP out: whatever is sent, the rows say what the documents promise, and no neighbour is harmed.

`ROUND_TRIP_EXAMPLES=10000` asks for that many requests a signal, drawn anew each time; without it some hundred, always the
same ones.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plugins import otlp_messages
from tests.plugins.hostile_wire import Style, write
from tests.plugins.round_trip import WHOLE, check, encode, examples
from tests.plugins.stored import decoded
from tests.unit.codec.spans import TERMS

SIGNALS = ("traces", "metrics", "logs")


@pytest.mark.parametrize("signal", SIGNALS)
@examples()
@given(data=st.data())
def test_what_is_sent_comes_back(signal: str, data: st.DataObject) -> None:
    check(signal, data.draw(otlp_messages.requests(signal)), data.draw(otlp_messages.styles))


@pytest.mark.parametrize("kept", [0, 1, 40], ids=["off", "1 byte", "40 bytes"])
@pytest.mark.parametrize("signal", ["traces", "logs"])
@examples(ci=100)
@given(data=st.data())
def test_of_content_comes_back_what_was_kept(signal: str, kept: int, data: st.DataObject) -> None:
    request = data.draw(otlp_messages.requests(signal, strange=False))
    check(signal, request, Style(), TERMS._replace(content_max_bytes=kept))


@pytest.mark.parametrize("signal", SIGNALS)
@examples(ci=100)
@given(data=st.data())
def test_what_came_back_once_comes_back_always(signal: str, data: st.DataObject) -> None:
    """A request made of rows gives the same rows, whoever wrote the first one."""
    first = encode(signal, write(data.draw(otlp_messages.requests(signal)), data.draw(otlp_messages.styles)), WHOLE)
    second = encode(signal, decoded(signal, first), WHOLE)
    assert second.rejected == ()
    assert second.repaired == {}
    assert second.accepted == first.accepted
    assert decoded(signal, second) == decoded(signal, first)
