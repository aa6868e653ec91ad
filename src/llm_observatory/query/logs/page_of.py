"""Records as messages: read some at a time, so that what is held does not go by how many were found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Generic, NamedTuple, TypeVar

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from llm_observatory.api.v1.log_query_service_pb2 import FoundLog, SearchLogsResponse, TailLogsResponse
from llm_observatory.api.v1.source_pb2 import Source
from llm_observatory.codec.rows import Fields
from llm_observatory.query.logs.order import LogKey, key_of_row
from llm_observatory.query.logs.repository import LogRepository
from llm_observatory.query.records import Record, Room, Sources, logs, place
from llm_observatory.tables import LLM_LOGS

Message = TypeVar("Message", SearchLogsResponse, TailLogsResponse)

WHOLE_AT_ONCE, SMALL_AT_ONCE = 20, 80
"""Records whose rows and content are held at a time; the second where those before were small."""

SMALL = 64 * 1024
"""Bytes of rows and content. More are decoded in a thread."""

_SERVICE_NAME, _LEVEL = place(LLM_LOGS, "source.service_name"), place(LLM_LOGS, "log.level")


class Found(NamedTuple):
    """A record as an answer has it, but for the place of its source there."""

    log: FoundLog
    source: Source


async def fill(answer: SearchLogsResponse, repository: LogRepository, tenant: str, keys: Sequence[LogKey]) -> LogKey | None:
    """Put records into an answer, as many as a message has room for. Returns the last one that was looked at."""
    part: _Part[SearchLogsResponse] = _Part(answer)
    last: LogKey | None = None
    async with aclosing(_each(repository, tenant, keys)) as read:
        async for key, found in read:
            if found is not None and not part.add(found):
                break
            last = key
    return last


async def messages(repository: LogRepository, tenant: str, keys: Sequence[LogKey]) -> AsyncGenerator[TailLogsResponse, None]:
    """Records by messages below MESSAGE_BYTES, but for one that is larger by itself."""
    part: _Part[TailLogsResponse] = _Part(TailLogsResponse())
    async with aclosing(_each(repository, tenant, keys)) as read:
        async for _, found in read:
            if found is not None and not part.add(found):
                yield part.message
                part = _Part(TailLogsResponse())
                part.add(found)
    if part.message.logs:
        yield part.message


class _Part(Generic[Message]):
    """A message that is being filled."""

    def __init__(self, message: Message) -> None:
        self.message: Message = message
        self._sources, self._room = Sources(), Room()

    def add(self, found: Found) -> bool:
        """One more; False where there is no room for it."""
        if not self._room.take(found.log.ByteSize() + found.source.ByteSize()):
            return False
        found.log.source_index = self._sources.index(found.source)
        self.message.sources.extend(self._sources.listed[len(self.message.sources) :])
        self.message.logs.append(found.log)
        return True


async def _each(
    repository: LogRepository, tenant: str, keys: Sequence[LogKey]
) -> AsyncGenerator[tuple[LogKey, Found | None], None]:
    """Each with its record; None where it has expired meanwhile."""
    sources: dict[bytes, Fields] = {}
    begin, number = 0, WHOLE_AT_ONCE
    while some := keys[begin : begin + number]:
        whole = await repository.whole(tenant, some, sources)
        rows = {key_of_row(row): row for row in whole.rows}
        # Decoded one by one: the room may end with the next.
        records, small = logs(whole), whole.byte_size <= SMALL
        for key in some:
            if key not in rows:
                yield key, None
            else:
                record = next(records) if small else await asyncio.to_thread(next, records)
                yield key, _found(key, rows[key], record)
        begin += number
        number = min(2 * number, SMALL_AT_ONCE) if small else WHOLE_AT_ONCE


def _found(key: LogKey, row: Fields, record: Record[LogRecord]) -> Found:
    log = FoundLog(
        log_id=key.log_id,
        service_name=(row[_SERVICE_NAME] or b"").decode(),
        level=(row[_LEVEL] or b"").decode(),
        time_unix_nano=key.time,
        record=record.record,
    )
    return Found(log, record.source)
