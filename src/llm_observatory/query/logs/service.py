"""LogQueryService: requests checked, answers made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from llm_observatory.api.v1 import log_query_service_pb2, log_query_service_pb2_grpc
from llm_observatory.api.v1.log_query_service_pb2 import (
    LogOrder,
    SearchLogsRequest,
    SearchLogsResponse,
    TailLogsRequest,
    TailLogsResponse,
)
from llm_observatory.query import checks, page
from llm_observatory.query.logs import order, page_of, selection
from llm_observatory.query.logs.repository import LogRepository
from llm_observatory.query.logs.tail import POLL_SECONDS, Tail
from llm_observatory.query.server import Service
from llm_observatory.query.time_range import resolve
from llm_observatory.query.values import Values
from llm_observatory.serving.tenant import ASKING_TENANT
from llm_observatory.storage.read import Reader

NAME = log_query_service_pb2.DESCRIPTOR.services_by_name["LogQueryService"].full_name
LONGEST_RANGE = timedelta(days=90)
DEFAULT_PAGE, LARGEST_PAGE = 100, 1000
DEFAULT_TIMEOUT = 30.0
"""Seconds, as QUERY_TIMEOUT."""


class LogQueryService:
    """See `proto/llm_observatory/api/v1/log_query_service.proto`.

    `timeout` is in seconds, for what a tail reads at a time; `clock` gives nanoseconds since the Unix epoch.
    """

    def __init__(
        self, repository: LogRepository, timeout: float = DEFAULT_TIMEOUT, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._repository = repository
        self._timeout = timeout
        self._clock = clock

    async def SearchLogs(self, request: SearchLogsRequest, _context: Any) -> SearchLogsResponse:  # noqa: N802 - the protocol's
        """Records that fulfil every condition; a page ends early where its records are large."""
        within = resolve(request.time_range, self._clock(), LONGEST_RANGE)
        values = Values()
        conditions = selection.conditions(request.selection, values)
        size = checks.size("page_size", request.page_size, default=DEFAULT_PAGE, largest=LARGEST_PAGE)
        checks.enum("order", request.order, LogOrder)
        after = order.from_page(page.key(request, order.KEY_PARTS))
        words = selection.words(request.selection.text, "selection.text")
        keys = await self._repository.search(
            ASKING_TENANT.get(),
            await self._repository.parts(ASKING_TENANT.get(), within, request.selection.attributes, words),
            conditions,
            values,
            newest_first=request.order != LogOrder.LOG_ORDER_OLDEST,
            after=after,
            limit=size + 1,
        )
        answer = SearchLogsResponse()
        last = await page_of.fill(answer, self._repository, ASKING_TENANT.get(), keys[:size])
        if last is not None and last != keys[-1]:
            answer.next_page_token = page.token(request, order.to_page(last))
        return answer

    async def TailLogs(self, request: TailLogsRequest, _context: Any) -> AsyncIterator[TailLogsResponse]:  # noqa: N802 - see above
        """Records as they come in, until the call ends."""
        values = Values()
        conditions = selection.conditions(request.selection, values)
        tail = Tail(self._repository, ASKING_TENANT.get(), conditions, values, self._timeout)
        await tail.begin()
        yield TailLogsResponse()
        while True:
            await asyncio.sleep(POLL_SECONDS)
            async with aclosing(tail.look()) as new:
                async for message in new:
                    yield message


def service(reader: Reader, timeout: float = DEFAULT_TIMEOUT) -> Service:
    """The service on a reader. `timeout` is QUERY_TIMEOUT in seconds, for what a tail reads at a time."""
    return Service(
        NAME,
        log_query_service_pb2_grpc.add_LogQueryServiceServicer_to_server,
        LogQueryService(LogRepository(reader), timeout=timeout),
        endless=frozenset({f"/{NAME}/TailLogs"}),
    )
