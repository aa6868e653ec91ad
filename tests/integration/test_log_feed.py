"""The feed says of each request of log records that it is there, once, and nothing of what is not."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from llm_observatory import codec
from llm_observatory.storage.copy_writer import CopyWriter
from llm_observatory.storage.write import Stored, WriteRequest
from tests.integration.test_commit_session import DAY_US, TERMS, Sessions, request

WRITERS = {
    "copy": CopyWriter(0),
    "insert": CopyWriter(10_000),
    "direct compress": CopyWriter(0, lambda: DAY_US),
}
ROWS = "SELECT tenant, digest, records FROM log_feed ORDER BY tenant DESC, records"


def logs(tenant: str, records: int, *, timed: bool = True) -> WriteRequest:
    """A request of log records."""
    sent = ExportLogsServiceRequest()
    scope = sent.resource_logs.add().scope_logs.add()
    for number in range(records):
        scope.log_records.add(time_unix_nano=time.time_ns() if timed else 0).body.string_value = f"line {number}"
    payload, now = sent.SerializeToString(), time.time_ns() // 1000
    digest = codec.digest("logs", tenant, payload)
    return WriteRequest(tenant, "logs", digest, b"", now, codec.encode("logs", tenant, payload, digest, now, TERMS))


@pytest.fixture
async def sessions(database: str) -> AsyncIterator[Sessions]:
    sessions = Sessions(database)
    yield sessions
    for session in sessions.made:
        await session.close()


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
async def test_what_was_claimed_is_announced_once_and_nothing_else(sessions: Sessions, writer: CopyWriter) -> None:
    session = await sessions.new(writer)
    first, second = logs("it's", 150), logs("back\\slash ünï", 2)
    assert await session.write([first, request()]) == [Stored(b""), Stored(b"")]
    assert await session.write([first, second]) == [Stored(b"", duplicate=True), Stored(b"")]
    assert await session.write([first, second]) == [Stored(b"", duplicate=True)] * 2
    expected = [(one.tenant, one.digest, one.encoded.accepted) for one in (first, second)]
    assert await sessions.fetch(ROWS) == expected
    assert await sessions.count("llm_logs") == 152


async def test_records_without_times_are_announced_as_often_as_they_are_stored(sessions: Sessions) -> None:
    session, untimed = await sessions.new(), logs("a", 2, timed=False)
    for group in ([untimed], [untimed, logs("a", 3, timed=False)]):
        await session.write(group)
    assert [row[2] for row in await sessions.fetch(ROWS)] == [2, 2, 3]
    assert await sessions.count("llm_logs") == 7
