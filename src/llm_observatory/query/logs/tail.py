"""Following log records: each once, as soon as it is committed, whichever process took it in.

The feed says which requests were committed since the last look; ids of records are made from the digest of their request
(`codec`), so the rows that came with it are told from all others of the same time. Nothing is asked of the rows that COPY does
not write, and compressed chunks will do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from llm_observatory.api.v1.log_query_service_pb2 import TailLogsResponse
from llm_observatory.errors import TooMuch
from llm_observatory.query.logs import page_of
from llm_observatory.query.logs.order import LogKey
from llm_observatory.query.logs.pieces import Piece, ends_first, is_wide, pieces
from llm_observatory.query.logs.repository import Announced, LogRepository, Period, Suffixed
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import Composed
from llm_observatory.storage.log_feed import KEPT

POLL_SECONDS = 0.5

LONGEST_TRANSACTION_SECONDS = 30.0
"""A transaction may be committed so long after it wrote to the feed: longer than any statement or committer may take."""

LONGEST_PAUSE = KEPT / 2
"""Between two looks. What was announced in the meantime must still be in the feed."""


class Tail:
    """What one client follows; `look` gives what is new since the last look.

    `timeout` is in seconds, for what is read at a time; `clock` gives seconds.
    """

    def __init__(
        self,
        repository: LogRepository,
        tenant: str,
        conditions: Sequence[Composed],
        values: Values,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._repository = repository
        self._tenant = tenant
        self._conditions, self._values = conditions, values
        self._timeout = timeout
        self._clock = clock
        self._seen: set[tuple[bytes, datetime]] = set()
        self._looked = clock()
        self._since = datetime.min.replace(tzinfo=UTC)

    async def begin(self) -> None:
        """What is committed by now is not new. Raises TimeoutError."""
        async with asyncio.timeout(self._timeout):
            self._since = await self._repository.now()
            await self._unseen()

    async def look(self) -> AsyncGenerator[TailLogsResponse, None]:
        """New records. Raises TimeoutError, and TooMuch when the last look is too long ago or records lie too far apart."""
        looked, self._looked = self._looked, self._clock()
        if self._looked - looked > LONGEST_PAUSE.total_seconds():
            raise TooMuch("the client reads more slowly than records come in: ask for fewer of them")
        async with asyncio.timeout(self._timeout):
            new = await self._unseen()
        for piece in pieces(new):
            keys = await self._keys(piece)
            async with aclosing(page_of.messages(self._repository, self._tenant, keys)) as messages:
                async for message in _in_time(messages, self._timeout):
                    yield message

    async def _unseen(self) -> list[Announced]:
        announced = await self._repository.announced(self._tenant, self._since, LONGEST_TRANSACTION_SECONDS)
        new = [one for one in announced if (one.digest, one.min_time) not in self._seen]
        self._seen = {(one.digest, one.min_time) for one in announced}
        if announced:
            # Never back to before the beginning, of which nothing older is known.
            self._since = max(self._since, announced[-1].written_at)
        return new

    async def _keys(self, piece: Piece) -> list[LogKey]:
        """Those that are wanted, in the order of time."""
        found: set[Suffixed] = set()
        wide = is_wide(piece.when)
        try:
            async with asyncio.timeout(self._timeout):
                for part in ends_first(piece.when) if wide else [piece.when]:
                    found |= await self._repository.by_suffix(
                        self._tenant, part, piece.suffixes, self._conditions, self._values, count_all=wide
                    )
                    if len(found) >= piece.records:
                        break
        except TimeoutError:
            if wide:
                raise TooMuch(_too_wide(piece.when, self._timeout)) from None
            raise
        return sorted(one.key for one in found if one.wanted)


def _too_wide(when: Period, timeout: float) -> str:
    first, last = (time.isoformat(timespec="milliseconds") for time in when)
    return (
        f"records of one request lie between {first} and {last}, and are not found among all others in {timeout:g} seconds"
        " (QUERY_TIMEOUT): follow again, and search for them"
    )


async def _in_time(messages: AsyncGenerator[TailLogsResponse, None], seconds: float) -> AsyncGenerator[TailLogsResponse, None]:
    """Raises TimeoutError where one takes longer; the time in which nobody asks for the next is not counted."""
    while True:
        async with asyncio.timeout(seconds):
            message = await anext(messages, None)
        if message is None:
            return
        yield message
