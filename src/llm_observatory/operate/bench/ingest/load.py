"""The load generator: requests that never repeat, sent without pause or at a rate, over several connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, cycle, islice

import uvloop

from llm_observatory.operate.bench.data import DATA_SETS, requests
from llm_observatory.operate.bench.ingest.clients import CLIENTS, Client, TryAgain
from llm_observatory.operate.bench.ingest.samples import Outcome, Sample

RETRY_SECONDS = 0.2
CONNECT_SECONDS = 30.0
PREPARED_BYTES = 256 * 1024 * 1024
"""What is made before a turn begins, at most; making the rest costs the CPU of the turn next to nothing."""


@dataclass(frozen=True, slots=True)
class LoadTurn:
    """What is sent for `seconds` to a port. `rate` is in requests a second, None without pause.

    `in_flight` requests are on their way at any time, over `connections` connections; with a rate as many as it takes.
    `items` are the sizes of requests, one after the other; `expected` requests are made beforehand.
    """

    transport: str
    port: int
    items: tuple[int, ...]
    connections: int
    in_flight: int
    seconds: float
    expected: int
    rate: float | None = None


class Load:
    """A performer (see `process.Performer`). One per process: what it sends differs from all it has sent before."""

    def __init__(self, data_set: str, seed: int) -> None:
        self._data_set = data_set
        self._seed = seed
        self._endless: dict[int, Iterator[bytes]] = {}
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._clients: list[Client] = []

    def prepare(self, turn: LoadTurn) -> None:
        """Connect, and send one request over each connection."""
        self._turn = turn
        made, size = [], 0
        for request in islice(self._mixed(turn.items), turn.expected):
            made.append(request)
            size += len(request[1])
            if size > PREPARED_BYTES:
                break
        self._requests = chain(made, self._mixed(turn.items))
        self._runner.run(self._connect())

    def perform(self) -> Outcome:
        """Send."""
        return self._runner.run(self._send())

    def _mixed(self, sizes: tuple[int, ...]) -> Iterator[tuple[int, bytes]]:
        for items in cycle(sizes):
            if items not in self._endless:
                self._endless[items] = requests(DATA_SETS[self._data_set], items, self._seed + len(self._endless))
            yield items, next(self._endless[items])

    async def _connect(self) -> None:
        self._clients = [CLIENTS[self._turn.transport](self._turn.port) for _ in range(self._turn.connections)]
        self._outcome = Outcome(0.0, 0.0)
        async with asyncio.timeout(CONNECT_SECONDS):
            for client in self._clients:
                await self._acknowledged(client, *next(self._requests), time.monotonic())
        self._first = self._outcome.samples

    async def _send(self) -> Outcome:
        turn, began = self._turn, time.monotonic()
        # What was sent to see that there is a connection is stored, too; its sample lies before the turn.
        self._outcome = Outcome(began, began + turn.seconds, list(self._first))
        try:
            async with asyncio.TaskGroup() as tasks:
                if turn.rate is None:
                    for client in islice(cycle(self._clients), turn.in_flight):
                        tasks.create_task(self._without_pause(client))
                else:
                    await self._paced(tasks, turn.rate)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        for client in self._clients:
            await client.close()
        return self._outcome

    async def _without_pause(self, client: Client) -> None:
        while (now := time.monotonic()) < self._outcome.until:
            await self._acknowledged(client, *next(self._requests), now)

    async def _paced(self, tasks: asyncio.TaskGroup, rate: float) -> None:
        clients, due = cycle(self._clients), self._outcome.began
        while due < self._outcome.until:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            tasks.create_task(self._acknowledged(next(clients), *next(self._requests), due))
            self._outcome.late = max(0.0, time.monotonic() - due)
            due += 1 / rate

    async def _acknowledged(self, client: Client, items: int, payload: bytes, due: float) -> None:
        """Send until it is acknowledged; given up after the end of the turn."""
        while True:
            try:
                await client.send(payload)
            except TryAgain:
                self._outcome.refused += 1
                if time.monotonic() >= self._outcome.until > 0.0:
                    self._outcome.doubtful += items
                    return
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._outcome.samples.append(Sample(due, time.monotonic(), items))
                return
