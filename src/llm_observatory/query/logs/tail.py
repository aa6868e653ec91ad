"""Following log records: each once, as soon as it is committed, whichever process took it in.

The feed says which requests were committed since the last look; ids of records are made from the digest of their request
(`codec`), so the rows that came with it are told from all others of the same time. Nothing is asked of the rows that COPY does
not write, and compressed chunks will do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from llm_observatory.codec.reference.log import SUFFIX_BYTES, Identities
from llm_observatory.codec.rows import Fields
from llm_observatory.errors import TooMuch
from llm_observatory.query.logs.repository import Announced, LogRepository
from llm_observatory.query.records import FoundRows, place
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import Composed
from llm_observatory.storage.log_feed import KEPT
from llm_observatory.tables import LLM_LOGS

POLL_SECONDS = 0.5

LONGEST_TRANSACTION_SECONDS = 30.0
"""A transaction may be committed so long after it wrote to the feed: longer than any statement or committer may take."""

MAX_GAP = timedelta(seconds=10)
"""Requests whose records lie nearer to each other than this are read by one statement."""

_ID = place(LLM_LOGS, "log.id")


class Tail:
    """What one client follows; `look` gives what is new since the last look."""

    def __init__(self, repository: LogRepository, tenant: str, conditions: Sequence[Composed], values: Values) -> None:
        self._repository = repository
        self._tenant = tenant
        self._conditions, self._values = conditions, values
        self._seen: dict[tuple[bytes, datetime], datetime] = {}
        self._newest: datetime | None = None

    async def begin(self) -> None:
        """What is committed by now is not new."""
        await self._unseen()

    async def look(self) -> list[FoundRows]:
        """New records, in groups of which each is one time. Raises TooMuch when the last look is too long ago."""
        new = await self._unseen()
        return [await self._read(group) for group in _neighbours(new)] if new else []

    async def _unseen(self) -> list[Announced]:
        announced = await self._repository.announced(self._tenant, self._newest, LONGEST_TRANSACTION_SECONDS)
        new = [one for one in announced if (one.digest, one.min_time) not in self._seen]
        self._seen = {(one.digest, one.min_time): one.written_at for one in announced}
        if announced:
            newest = announced[-1].written_at
            if self._newest is not None and newest - self._newest > KEPT / 2:
                raise TooMuch("the client reads more slowly than records come in: ask for fewer of them")
            self._newest = newest
        return new

    async def _read(self, requests: Sequence[Announced]) -> FoundRows:
        first, last = min(one.min_time for one in requests), max(one.max_time for one in requests)
        rows = await self._repository.between(self._tenant, first, last, self._conditions, self._values)
        if not rows:
            return FoundRows((), {}, ())
        ours = set(_suffixes(requests))
        return await self._repository.whole(self._tenant, [row for row in rows if _suffix(row) in ours])


def _suffixes(requests: Iterable[Announced]) -> Iterator[bytes]:
    for one in requests:
        received = (one.received_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        yield from Identities(one.digest, received).suffixes(one.records)


def _suffix(row: Fields) -> bytes:
    return (row[_ID] or b"")[-SUFFIX_BYTES:]


def _neighbours(requests: Sequence[Announced]) -> list[list[Announced]]:
    """Requests by the time of their records: a late one must not make the statement read all that lies between."""
    groups: list[list[Announced]] = []
    reach = datetime.min.replace(tzinfo=UTC)
    for one in sorted(requests, key=lambda one: one.min_time):
        if not groups or one.min_time - reach > MAX_GAP:
            groups.append([])
            reach = one.max_time
        groups[-1].append(one)
        reach = max(reach, one.max_time)
    return groups
