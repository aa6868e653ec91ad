"""A real PostgreSQL as the service writes it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

import pytest
from psycopg.abc import Buffer

from llm_observatory import codec
from llm_observatory.codec import EncodedRequest, Terms
from llm_observatory.settings import Settings
from llm_observatory.storage import script
from llm_observatory.storage.connection import connect
from llm_observatory.storage.copy_writer import CopyWriter
from llm_observatory.storage.dimensions import KnownDimensions
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.session import CommitSession
from llm_observatory.storage.write import Stored, WriteRequest
from tests.plugins.otlp_messages import NOW
from tests.plugins.read_back import Reader

WRITERS = {"copy": CopyWriter(0), "as the service": CopyWriter(60), "insert": CopyWriter(10_000)}


class Storage:
    """One database: written as the service writes, and read."""

    def __init__(self, database: str) -> None:
        self._runner = asyncio.Runner()
        known, engine = KnownDimensions(), CurrentEngine(lambda: connect(database), Settings())
        self._sessions = {
            name: CommitSession(lambda: connect(database), writer, engine, known) for name, writer in WRITERS.items()
        }
        self.reader = Reader(database)

    def close(self) -> None:
        """Close all connections."""
        self.reader.close()
        for session in self._sessions.values():
            self._runner.run(session.close())
        self._runner.close()

    def write(self, writer: str, group: list[WriteRequest]) -> None:
        """All of the group in one transaction."""
        assert self._runner.run(self._sessions[writer].write(group)) == [Stored(request.answer) for request in group]


@pytest.fixture
def copy_blocks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of every block that libpq is handed of a COPY."""
    blocks: list[int] = []
    cut = script._blocks

    def noted_cut(chunks: Iterable[bytes]) -> Iterator[Buffer]:
        for block in cut(chunks):
            blocks.append(len(block))
            yield block

    monkeypatch.setattr(script, "_blocks", noted_cut)
    return blocks


@pytest.fixture
def storage(database: str) -> Iterator[Storage]:
    """A fresh database, open."""
    opened = Storage(database)
    yield opened
    opened.close()


def write_request(signal: str, tenant: str, payload: bytes, terms: Terms) -> tuple[WriteRequest, EncodedRequest]:
    """A payload, received at NOW, as the pipeline hands it to storage."""
    digest = codec.digest(signal, tenant, payload)
    made = codec.encode(signal, tenant, payload, digest, NOW, terms)
    return WriteRequest(tenant, signal, digest, codec.answer(signal, made), NOW, made), made
