"""How many request bodies are read at the same time, and whose.

A body costs memory from the moment grpcio is asked for it; before that it costs one stream window. So bodies are asked for
under a slot, few at a time, and one connection never holds two: a client that stops in the middle of a body stops itself.
Connections are served in turn, and the calls of one connection in the order in which they came.
"""

from __future__ import annotations

import asyncio
from collections import deque

from llm_observatory.errors import Overloaded


class ReadSlots:
    """`slots` places, one per connection."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._holders: set[str] = set()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @property
    def held(self) -> int:
        """Slots in use."""
        return len(self._holders)

    async def acquire(self, connection: str, hold_until: float) -> Slot:
        """Wait for a slot, no longer than the loop time `hold_until`. Raises Overloaded, or what `refuse_waiting` was given."""
        if self._free and connection not in self._holders:
            self._take(connection)
            return Slot(self, connection)
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(connection, deque()).append(granted)
        try:
            async with asyncio.timeout_at(hold_until):
                await granted
        except TimeoutError:
            if not self._granted_meanwhile(connection, granted):
                raise Overloaded from None
        except asyncio.CancelledError:
            if self._granted_meanwhile(connection, granted):
                self._give_back(connection)
            raise
        return Slot(self, connection)

    def refuse_waiting(self, error: type[Overloaded]) -> None:
        """Fail everybody who waits."""
        waiting, self._waiting = self._waiting, {}
        for queue in waiting.values():
            for granted in queue:
                if not granted.done():
                    granted.set_exception(error())

    def _take(self, connection: str) -> None:
        self._free -= 1
        self._holders.add(connection)

    def _give_back(self, connection: str) -> None:
        self._free += 1
        self._holders.remove(connection)
        if (queue := self._waiting.pop(connection, None)) is not None:
            self._waiting[connection] = queue  # to the end: the others are served first
        self._grant()

    def _grant(self) -> None:
        """Hand free slots to connections that have none, the longest unserved first."""
        while self._free and (connection := next((c for c in self._waiting if c not in self._holders), None)) is not None:
            queue = self._waiting[connection]
            granted = queue.popleft()
            if not queue:
                del self._waiting[connection]
            if not granted.done():
                self._take(connection)
                granted.set_result(None)

    def _granted_meanwhile(self, connection: str, granted: asyncio.Future[None]) -> bool:
        """Leave the queue. True when the slot was given in the same moment: it is the caller's."""
        if granted.done() and not granted.cancelled():
            return granted.exception() is None
        queue = self._waiting.get(connection)
        if queue is not None and granted in queue:
            queue.remove(granted)
            if not queue:
                del self._waiting[connection]
        return False


class Slot:
    """One slot in use."""

    def __init__(self, slots: ReadSlots, connection: str) -> None:
        self._slots: ReadSlots | None = slots
        self._connection = connection

    def release(self) -> None:
        """Give it back. A second call does nothing."""
        slots, self._slots = self._slots, None
        if slots is not None:
            slots._give_back(self._connection)  # noqa: SLF001 - the two are one thing
