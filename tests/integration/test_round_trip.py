"""OTLP in, the same OTLP out of a real PostgreSQL: written by the writer of the service, read back as bytes, decoded.

What jsonb does to documents, and COPY and INSERT to values, is in between; all else is as in tests/contract/codec. An example
is a group of requests under a tenant of its own: `ROUND_TRIP_EXAMPLES=1000` asks for ten times as many requests a signal.
"""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_observatory.storage.write import WriteRequest
from tests.plugins import otlp_messages
from tests.plugins.hostile_wire import write
from tests.plugins.normal_form import envelopes_in, envelopes_of, predict
from tests.plugins.round_trip import WHOLE, examples
from tests.plugins.storage import WRITERS, Storage, write_request
from tests.unit.codec.spans import TERMS

SIGNALS = ("traces", "metrics", "logs")
NOW = otlp_messages.NOW
GROUP = 10
"""Requests in an example, which are one transaction."""

_tenants = itertools.count()


@pytest.mark.parametrize("signal", SIGNALS)
@examples(ci=30)
@given(data=st.data())
def test_what_is_sent_comes_back_from_the_database(signal: str, storage: Storage, data: st.DataObject) -> None:
    tenant = f"tenant {next(_tenants)}"
    expected: Counter[str] = Counter()
    group: dict[bytes, WriteRequest] = {}
    for number in range(GROUP):
        request = data.draw(otlp_messages.requests(signal, ids_from=number * 1_000_000))
        style = data.draw(otlp_messages.styles)
        written, made = write_request(signal, tenant, write(request, style), TERMS)
        if written.digest not in group:  # else a retry, which is stored once
            predicted = predict(envelopes_of(request), NOW, TERMS, style.groups)
            assert made.accepted == predicted.records.total()
            expected += predicted.records
            group[written.digest] = written
    storage.write(data.draw(st.sampled_from(sorted(WRITERS))), list(group.values()))
    again = predict(envelopes_in(signal, storage.reader.decoded(signal, tenant)), NOW, WHOLE)
    assert again.records == expected
    assert not again.rejected
    assert not again.repaired
