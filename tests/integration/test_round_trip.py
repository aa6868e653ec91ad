"""OTLP in, the same OTLP out of a real PostgreSQL: written by the writer of the service, read back as bytes, decoded.

What jsonb does to documents, and COPY and INSERT to values, is in between; all else is as in tests/contract/codec. An example
is a group of requests under a tenant of its own: `ROUND_TRIP_EXAMPLES=1000` asks for ten times as many requests a signal.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_observatory import codec
from llm_observatory.codec import EncodedRequest
from llm_observatory.settings import Settings
from llm_observatory.storage.connection import connect
from llm_observatory.storage.copy_writer import CopyWriter
from llm_observatory.storage.dimensions import KnownDimensions
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.session import CommitSession
from llm_observatory.storage.write import Stored, WriteRequest
from tests.plugins import otlp_messages
from tests.plugins.hostile_wire import write
from tests.plugins.normal_form import envelopes_in, envelopes_of, predict
from tests.plugins.read_back import Reader
from tests.plugins.round_trip import WHOLE, examples
from tests.unit.codec.spans import TERMS

SIGNALS = ("traces", "metrics", "logs")
NOW = otlp_messages.NOW
GROUP = 10
"""Requests in an example, which are one transaction."""

WRITERS = {"copy": CopyWriter(0), "as the service": CopyWriter(60), "insert": CopyWriter(10_000)}

_tenants = itertools.count()


class Storage:
    """One database: written as the service writes, read in binary."""

    def __init__(self, database: str) -> None:
        self._runner = asyncio.Runner()
        known, engine = KnownDimensions(), CurrentEngine(lambda: connect(database), Settings())
        self._sessions = {
            name: CommitSession(lambda: connect(database), writer, engine, known) for name, writer in WRITERS.items()
        }
        self.reader = Reader(database)

    def close(self) -> None:
        self.reader.close()
        for session in self._sessions.values():
            self._runner.run(session.close())
        self._runner.close()

    def write(self, writer: str, group: list[WriteRequest]) -> None:
        """All of the group in one transaction."""
        assert self._runner.run(self._sessions[writer].write(group)) == [Stored(request.answer) for request in group]


@pytest.fixture
def storage(database: str) -> Iterator[Storage]:
    storage = Storage(database)
    yield storage
    storage.close()


def encoded(signal: str, tenant: str, payload: bytes) -> tuple[WriteRequest, EncodedRequest]:
    digest = codec.digest(signal, tenant, payload)
    made = codec.encode(signal, tenant, payload, digest, NOW, TERMS)
    return WriteRequest(tenant, signal, digest, codec.answer(signal, made), NOW, made), made


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
        written, made = encoded(signal, tenant, write(request, style))
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
