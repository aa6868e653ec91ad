"""A flood: a process of its own whose clients send requests of one signal, without pause or at a rate, while it is told to."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Semaphore
from random import Random
from typing import Protocol

import grpc

from llm_observatory.pipeline.signal import SIGNALS, Signal
from tests.plugins.load import REQUESTS, Client

_SPAWN = multiprocessing.get_context("spawn")
TEMPLATE_SECONDS = 10.0
"""How old the times in a request may become."""

RETRY_SECONDS = 0.1
TIMEOUT_SECONDS = 2.5


class Requests:
    """Endless requests of one signal: the bytes of one with another trace id each, which costs next to nothing."""

    def __init__(self, signal: Signal, items: int, random: Random) -> None:
        self._signal, self._items, self._random = signal, items, random
        self._made = -TEMPLATE_SECONDS

    def __next__(self) -> bytes:
        if time.monotonic() - self._made >= TEMPLATE_SECONDS:
            self._trace_id, self._payload = REQUESTS[self._signal](self._items)
            self._made = time.monotonic()
        return self._payload.replace(self._trace_id, self._random.randbytes(16))


class _Event(Protocol):
    def is_set(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> bool: ...


class Disturbance:
    """Something that goes on beside the probe, in processes of its own, between `start` and `stop` of each `running` block."""

    def __init__(self, run: Callable[..., None], *arguments: object, processes: int = 1) -> None:
        self._go, self._ready, self.requests = _SPAWN.Event(), _SPAWN.Semaphore(0), _SPAWN.Value("L", 0)
        self.processes = [
            _SPAWN.Process(target=_run, args=(run, self._ready, self._go, self.requests, number, *arguments), daemon=True)
            for number in range(processes)
        ]
        for process in self.processes:
            process.start()
        for _ in self.processes:
            self._ready.acquire()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Disturb during the block."""
        self._go.set()
        try:
            yield
        finally:
            self._go.clear()

    def end(self) -> None:
        """End the processes."""
        for process in self.processes:
            process.kill()
            process.join(10)


def _run(run: Callable[..., None], ready: Semaphore, *arguments: object) -> None:
    ready.release()
    run(*arguments)


@dataclass(frozen=True)
class Flood:
    """Clients with a connection each that send `rate` requests of `items` per second in all; 0 is without pause."""

    endpoint: str
    signal: str
    items: int
    clients: int
    rate: float
    seed: int

    @property
    def period(self) -> float:
        """Seconds between two requests of one client."""
        return self.clients / self.rate if self.rate else 0.0


def flood(wanted: Flood) -> Disturbance:
    """A process that sends it."""
    return Disturbance(_flood, wanted)


def burners(processes: int) -> Disturbance:
    """Processes that compute and send nothing: what a core that is taken costs without any request."""
    return Disturbance(_burn, processes=processes)


def _burn(go: _Event, _requests: object, _number: int) -> None:
    while go.wait():
        sum(range(10_000))


def _flood(go: _Event, requests: _Counter, number: int, wanted: Flood) -> None:
    signal = next(signal for signal in SIGNALS if signal.name == wanted.signal)

    def send(client_number: int) -> None:
        client = Client(wanted.endpoint)
        made = Requests(signal, wanted.items, Random(f"{wanted.seed} {signal.name} {number} {client_number}"))  # noqa: S311 - ids, no secrets
        while go.wait():
            due = time.monotonic() + wanted.period
            _send(client, signal, next(made), requests)
            time.sleep(max(0.0, due - time.monotonic()))

    threads = [threading.Thread(target=send, args=(client_number,)) for client_number in range(wanted.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class _Counter(Protocol):
    value: int

    def get_lock(self) -> threading.RLock: ...


def _send(client: Client, signal: Signal, payload: bytes, requests: _Counter) -> None:
    try:
        client.export(payload, TIMEOUT_SECONDS, signal)
    except grpc.RpcError:
        time.sleep(RETRY_SECONDS)  # refused: as a client of ours would wait, only shorter
    else:
        with requests.get_lock():
            requests.value += 1
