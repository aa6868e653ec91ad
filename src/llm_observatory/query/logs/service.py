"""LogQueryService: requests checked, answers made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from llm_observatory.api.v1 import log_query_service_pb2, log_query_service_pb2_grpc
from llm_observatory.api.v1.log_query_service_pb2 import (
    FoundLog,
    LogOrder,
    SearchLogsRequest,
    SearchLogsResponse,
    TailLogsRequest,
    TailLogsResponse,
)
from llm_observatory.codec.rows import Fields
from llm_observatory.errors import InvalidQuery
from llm_observatory.query import checks, page
from llm_observatory.query.logs import selection
from llm_observatory.query.logs.repository import LogKey, LogRepository, key_of
from llm_observatory.query.logs.tail import POLL_SECONDS, Tail
from llm_observatory.query.records import FoundRows, Record, Room, Sources, logs, place
from llm_observatory.query.server import Service
from llm_observatory.query.time_range import resolve
from llm_observatory.query.values import Values
from llm_observatory.serving.tenant import ASKING_TENANT
from llm_observatory.storage.read import Reader
from llm_observatory.tables import LLM_LOGS

NAME = log_query_service_pb2.DESCRIPTOR.services_by_name["LogQueryService"].full_name
LONGEST_RANGE = timedelta(days=90)
DEFAULT_PAGE, LARGEST_PAGE = 100, 1000
KEY_PARTS = 2

_SERVICE_NAME, _LEVEL = place(LLM_LOGS, "source.service_name"), place(LLM_LOGS, "log.level")


class LogQueryService:
    """See `proto/llm_observatory/api/v1/log_query_service.proto`. `clock` gives nanoseconds since the Unix epoch."""

    def __init__(self, repository: LogRepository, clock: Callable[[], int] = time.time_ns) -> None:
        self._repository = repository
        self._clock = clock

    async def SearchLogs(self, request: SearchLogsRequest, _context: Any) -> SearchLogsResponse:  # noqa: N802 - the protocol's
        """Records that fulfil every condition; a page ends early where its records are large."""
        within = resolve(request.time_range, self._clock(), LONGEST_RANGE)
        values = Values()
        conditions = selection.conditions(request.selection, values)
        size = checks.size("page_size", request.page_size, default=DEFAULT_PAGE, largest=LARGEST_PAGE)
        words = selection.words(request.selection.text, "selection.text")
        found = await self._repository.search(
            ASKING_TENANT.get(),
            await self._repository.parts(ASKING_TENANT.get(), within, request.selection.attributes, words),
            conditions,
            values,
            newest_first=request.order != LogOrder.LOG_ORDER_OLDEST,
            after=_after(request),
            limit=size,
        )
        part, *others = _parts(found) or [Part()]
        answer = SearchLogsResponse(logs=part.logs, sources=part.sources.listed)
        if others or len(found) == size:
            last = part.logs[-1]
            answer.next_page_token = page.token(request, [last.time_unix_nano, last.log_id.hex()])
        return answer

    async def TailLogs(self, request: TailLogsRequest, _context: Any) -> AsyncIterator[TailLogsResponse]:  # noqa: N802 - see above
        """Records as they come in, until the call ends."""
        values = Values()
        conditions = selection.conditions(request.selection, values)
        tail = Tail(self._repository, ASKING_TENANT.get(), conditions, values)
        await tail.begin()
        yield TailLogsResponse()
        while True:
            await asyncio.sleep(POLL_SECONDS)
            for found in await tail.look():
                for part in _parts(found):
                    yield TailLogsResponse(logs=part.logs, sources=part.sources.listed)


def service(reader: Reader) -> Service:
    """The service on a reader."""
    return Service(
        NAME,
        log_query_service_pb2_grpc.add_LogQueryServiceServicer_to_server,
        LogQueryService(LogRepository(reader)),
        endless=frozenset({f"/{NAME}/TailLogs"}),
    )


def _after(request: SearchLogsRequest) -> LogKey | None:
    key = page.key(request, KEY_PARTS)
    match key:
        case None:
            return None
        case [int(at), str(log_id)] if at >= 0:
            return LogKey(at, bytes.fromhex(log_id))
        case _:
            raise InvalidQuery(page.FIELD, "is no token of this service")


class Part:
    """Records of one message, and who sent them."""

    def __init__(self) -> None:
        self.logs: list[FoundLog] = []
        self.sources = Sources()
        self._room = Room()

    def add(self, row: Fields, record: Record[LogRecord]) -> bool:
        """One more; False where there is no room for it."""
        key = key_of(row)
        found = FoundLog(
            log_id=key.log_id,
            service_name=(row[_SERVICE_NAME] or b"").decode(),
            level=(row[_LEVEL] or b"").decode(),
            time_unix_nano=key.time,
            record=record.record,
        )
        if not self._room.take(found.ByteSize() + record.source.ByteSize()):
            return False
        found.source_index = self.sources.index(record.source)
        self.logs.append(found)
        return True


def _parts(found: FoundRows) -> list[Part]:
    """Records by messages below MESSAGE_BYTES, but for one that is larger by itself."""
    parts: list[Part] = []
    for row, record in zip(found.rows, logs(found.rows, found.dimensions, found.content), strict=True):
        if not parts or not parts[-1].add(row, record):
            parts.append(Part())
            parts[-1].add(row, record)
    return parts
