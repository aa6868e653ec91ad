"""Flights that went on after their caller was refused or had left: the next copy of such a request is a retry of it.

For most requests the ledger says so. What carries no times is not in it, because the same bytes may be a second event; but
when the first of them was never answered, they are not.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import inf

from llm_observatory.errors import ObservatoryError
from llm_observatory.pipeline.flight import Flight

KEPT_SECONDS = 300.0
"""After the landing. A Collector gives up after as long, SDKs after ten seconds."""

KEPT_MAX = 10_000
"""Of them the oldest is forgotten first; each is some hundred bytes."""


class LeftBehind:
    """By digest; what landed is kept without its payload."""

    def __init__(self) -> None:
        self._flights: dict[bytes, tuple[Flight, float]] = {}
        """And the loop time until which each is kept. Those that landed are in its order."""

    def add(self, digest: bytes, flight: Flight) -> None:
        """The caller of a running flight has left."""
        self._put(digest, flight, inf)
        flight.add_done_callback(lambda done: self._landed(digest, done))

    def get(self, digest: bytes) -> Flight | None:
        """The flight that a copy is a retry of, if there is one."""
        flight, until = self._flights.get(digest, (None, inf))
        return flight if until > asyncio.get_running_loop().time() else None

    def answered(self, digest: bytes) -> bool:
        """A copy got the answer. Whether it was one of a flight left behind; the next copy is none any more."""
        return self._flights.pop(digest, None) is not None

    def _put(self, digest: bytes, flight: Flight, until: float) -> None:
        now = asyncio.get_running_loop().time()
        self._flights[digest] = flight, until
        while len(self._flights) > KEPT_MAX or self._oldest_until <= now:
            del self._flights[next(iter(self._flights))]

    @property
    def _oldest_until(self) -> float:
        return next((until for _, until in self._flights.values()), inf)

    def _landed(self, digest: bytes, flight: Flight) -> None:
        if self._flights.get(digest, (None, inf))[0] is not flight:
            return
        del self._flights[digest]
        if flight.cancelled() or isinstance(landed := flight.result(), ObservatoryError) or landed.again is None:
            return  # nothing was stored, or the ledger knows it
        loop = asyncio.get_running_loop()
        kept: Flight = loop.create_future()
        kept.set_result(replace(landed, again=None))
        self._put(digest, kept, loop.time() + KEPT_SECONDS)
