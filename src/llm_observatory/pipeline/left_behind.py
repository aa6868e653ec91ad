"""Flights that went on after their caller was refused or had left: the next copy of such a request is a retry of it.

For most requests the ledger says so. What carries no times is not in it, because the same bytes may be a second event; but
when the first of them was never answered, they are not.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from llm_observatory.errors import ObservatoryError
from llm_observatory.pipeline.flight import Flight

KEPT_SECONDS = 300.0
"""After the landing. A Collector gives up after as long, SDKs after ten seconds."""

KEPT_MAX = 10_000
"""Of them the oldest is forgotten first; each is some hundred bytes."""


class LeftBehind:
    """By digest; what landed is kept without its payload."""

    def __init__(self) -> None:
        self._flights: dict[bytes, Flight] = {}

    def add(self, digest: bytes, flight: Flight) -> None:
        """The caller of a running flight has left."""
        self._put(digest, flight)
        flight.add_done_callback(lambda done: self._landed(digest, done))

    def get(self, digest: bytes) -> Flight | None:
        """The flight that a copy is a retry of, if there is one."""
        return self._flights.get(digest)

    def answered(self, digest: bytes) -> bool:
        """A copy got the answer. Whether it was one of a flight left behind; the next copy is none any more."""
        return self._flights.pop(digest, None) is not None

    def _put(self, digest: bytes, flight: Flight) -> None:
        self._flights[digest] = flight
        while len(self._flights) > KEPT_MAX:
            del self._flights[next(iter(self._flights))]

    def _landed(self, digest: bytes, flight: Flight) -> None:
        if self._flights.get(digest) is not flight:
            return
        del self._flights[digest]
        if flight.cancelled() or isinstance(landed := flight.result(), ObservatoryError) or landed.again is None:
            return  # nothing was stored, or the ledger knows it
        loop = asyncio.get_running_loop()
        kept: Flight = loop.create_future()
        kept.set_result(replace(landed, again=None))
        self._put(digest, kept)
        loop.call_later(KEPT_SECONDS, self._forget, digest, kept)

    def _forget(self, digest: bytes, flight: Flight) -> None:
        if self._flights.get(digest) is flight:
            del self._flights[digest]
