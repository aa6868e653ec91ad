"""How many request bodies are read at the same time, whose, and for how long.

A body costs memory from the moment grpcio is asked for it; before that it costs one stream window. So bodies are asked for
under a slot, few at a time, and no connection holds two for one signal: a client that stops in the middle of a body stops
itself. Connections share the time of the slots: calls are served in the order in which they came, but a connection that has
used more than its share stands behind those that have not. While others wait, a body has `FAIR_SECONDS` to come.

A slot is kept until its body is admitted, and one signal's bodies may wait for that in all slots. So a signal that has no
slot gets one beyond their number: signals go on beside each other, at the price of a slot more for each but one.

Nothing is remembered of a client that reconnects: its port is new, and its address is that of everybody behind its NAT.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from llm_observatory.errors import Overloaded
from llm_observatory.pipeline.granted import granted

FAIR_SECONDS = 1.0
"""What a body may take while another connection waits for its slot: 60 MiB over 1 Gbit/s take 0.5 s. Eight clients that
stop in the middle of bodies then go through four slots in 2 s; a request in line behind them is held for 4 s at most."""

KEPT_DEBTS = 1000
"""So many connections may be known to have used more than their share before those that have paid are forgotten."""


class Reader(NamedTuple):
    """Who reads: no two slots are the same reader's."""

    connection: str
    signal: str


def most_held(slots: int, signals: int) -> int:
    """How many bodies `slots` let be read at the same time at most."""
    return slots + signals - 1


class ReadSlots:
    """`slots` places, one per connection and signal."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._holders: dict[Reader, Slot] = {}
        self.idle = asyncio.Event()
        """Set while no slot is in use."""
        self.idle.set()
        self._readers: dict[Slot, None] = {}
        """In the order in which they began to read."""
        self._waiting: dict[Reader, deque[_Waiter]] = {}
        self._due: dict[Reader, float] = {}
        """The loop time at which a reader's use of the slots is its share, where that matters."""
        self._lines: dict[str, list[tuple[float, Reader]]] = {}
        """By signal, a heap of those who wait by their turns. What is no longer so is found when it comes to the front: with
        the turns of a thousand connections looked at for every slot, requests of 64 cost a tenth more CPU."""

    @property
    def held(self) -> int:
        """Slots in use."""
        return len(self._holders)

    async def acquire(self, reader: Reader, hold_until: float) -> Slot:
        """Wait for a slot, no longer than the loop time `hold_until`. Raises Overloaded, or what `refuse_waiting` was given."""
        waiter = _Waiter()
        queue = self._waiting.setdefault(reader, deque())
        queue.append(waiter)
        if len(queue) == 1:
            self._line_up(reader)
        self._grant()
        if waiter.granted.done():
            return waiter.granted.result()
        return await granted(waiter.granted, hold_until, lambda: self._give_up(reader, waiter))

    def refuse_waiting(self, error: type[Overloaded]) -> None:
        """Fail everybody who waits."""
        waiting, self._waiting = self._waiting, {}
        for queue in waiting.values():
            for waiter in queue:
                if not waiter.granted.done():
                    waiter.granted.set_exception(error())
        self._make_way()

    def end_reading(self, latest: float) -> None:
        """Cut off at the loop time `latest` every body that is being read."""
        for slot in self._readers:
            slot.latest = min(slot.latest, latest)
        self._make_way()

    def _grant(self) -> None:
        """Hand free slots to readers that have none."""
        while (first := min(self._entitled(), default=None)) is not None:
            turn, reader = first
            waiter = self._waiting[reader][0]
            self._leave(reader, waiter)
            if not waiter.granted.done():
                slot = self._holders[reader] = Slot(self, reader, turn)
                self.idle.clear()
                waiter.granted.set_result(slot)
        self._make_way()

    def _entitled(self) -> Iterator[tuple[float, Reader]]:
        """Of each signal that may have a slot now, who is next, and its turn."""
        free = len(self._holders) < self._slots
        served = () if free else {reader.signal for reader in self._holders}
        for signal, line in self._lines.items():
            if signal not in served and self._brought_up_to_date(line):
                yield line[0]

    def _brought_up_to_date(self, line: list[tuple[float, Reader]]) -> bool:
        """Whether anybody is left in `line`; who is at its front waits, has no slot, and has this turn."""
        while line:
            turn, reader = line[0]
            if reader not in self._waiting or reader in self._holders:
                heapq.heappop(line)
            elif (now := self._turn(reader)) != turn:
                heapq.heapreplace(line, (now, reader))
            else:
                return True
        return False

    def _line_up(self, reader: Reader) -> None:
        heapq.heappush(self._lines.setdefault(reader.signal, []), (self._turn(reader), reader))

    def _turn(self, reader: Reader) -> float:
        """When the first call of a reader came, or it has paid for those before. The smallest is next."""
        return max(self._waiting[reader][0].came, self._due.get(reader, 0.0))

    def _make_way(self) -> None:
        """One that reads, the oldest first, for each that waits; the others have their full time."""
        waiting = self._waiting_without_slot()
        for place, slot in enumerate(self._readers):
            slot.hurry(fair=place < waiting)

    def _waiting_without_slot(self) -> int:
        """How many readers wait for their first slot."""
        return len(self._waiting) - sum(reader in self._waiting for reader in self._holders)

    def _give_back(self, slot: Slot) -> None:
        now = asyncio.get_running_loop().time()
        crowd = (len(self._holders) + self._waiting_without_slot()) / self._slots
        del self._holders[slot.reader]
        if not self._holders:
            self.idle.set()
        # Time in a slot costs more, the more connections share them. The debt is bounded, else one slow body under a
        # crowd would shut its connection out.
        paid = slot.turn + (now - slot.since) * max(1.0, crowd)
        self._due[slot.reader] = min(paid, now + FAIR_SECONDS)
        if len(self._due) > KEPT_DEBTS:
            self._due = {reader: due for reader, due in self._due.items() if due > now or reader in self._waiting}
        if slot.reader in self._waiting:
            self._line_up(slot.reader)
        self._grant()

    def _leave(self, reader: Reader, waiter: _Waiter) -> None:
        queue = self._waiting[reader]
        queue.remove(waiter)
        if not queue:
            del self._waiting[reader]

    def _give_up(self, reader: Reader, waiter: _Waiter) -> None:
        if waiter in self._waiting.get(reader, ()):
            self._leave(reader, waiter)
            self._make_way()


class _Waiter:
    """A call that waits for a slot."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.came = loop.time()
        self.granted: asyncio.Future[Slot] = loop.create_future()


class Slot:
    """One slot in use."""

    def __init__(self, slots: ReadSlots, reader: Reader, turn: float) -> None:
        self.reader = reader
        self.turn = turn
        self.since = asyncio.get_running_loop().time()
        self.latest = 0.0
        self._slots = slots
        self._released = False
        self._began = 0.0
        self._deadline = asyncio.Timeout(None)

    @asynccontextmanager
    async def reading(self, seconds: float) -> AsyncIterator[None]:
        """Bound the block to `seconds`, to `FAIR_SECONDS` while others wait, and to `end_reading`. Raises TimeoutError."""
        self._began = asyncio.get_running_loop().time()
        self.latest = self._began + seconds
        readers = self._slots._readers  # noqa: SLF001 - the two are one thing
        async with asyncio.timeout_at(self.latest) as self._deadline:
            readers[self] = None
            try:
                self._slots._make_way()  # noqa: SLF001 - as above
                yield
            finally:
                del readers[self]

    def hurry(self, *, fair: bool) -> None:
        """Set the end of reading: that of a fair share, or the latest."""
        when = min(self.latest, self._began + FAIR_SECONDS) if fair else self.latest
        if when != self._deadline.when() and not self._deadline.expired():
            self._deadline.reschedule(when)

    def release(self) -> None:
        """Give it back. A second call does nothing."""
        if not self._released:
            self._released = True
            self._slots._give_back(self)  # noqa: SLF001 - the two are one thing
