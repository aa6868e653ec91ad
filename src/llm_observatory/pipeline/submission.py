"""One encoded request on its way to a commit, and the promise that its handler awaits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from llm_observatory.errors import ObservatoryError
from llm_observatory.storage.write import Stored, WriteRequest


@dataclass(slots=True, eq=False)
class Submission:
    """A write request, the bytes it came from, until when (loop time) it may be held, and its ack.

    The ack resolves with Stored only after COMMIT, or with an error; exactly once. While it waits in a lane, `queued_at` says
    since when (loop time), and `expiry` fires.
    """

    write: WriteRequest
    payload: bytes
    hold_until: float
    ack: asyncio.Future[Stored] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    queued_at: float = 0.0
    expiry: asyncio.TimerHandle | None = None

    @property
    def rows(self) -> int:
        """Records in it."""
        return self.write.encoded.accepted

    @property
    def size(self) -> int:
        """Bytes it will send to PostgreSQL."""
        return self.write.encoded.size

    @property
    def failed(self) -> bool:
        """Whether its ack is an error. One whose caller was cut off is neither stored nor failed for us."""
        return self.ack.done() and not self.ack.cancelled() and self.ack.exception() is not None

    def resolve(self, outcome: Stored) -> None:
        """The request is durable."""
        if not self.ack.done():
            self.ack.set_result(outcome)

    def fail(self, error: ObservatoryError) -> None:
        """The request is not known to be stored."""
        if not self.ack.done():
            self.ack.set_exception(error.bare())
            self.ack.exception()  # seen: its flight may be gone, and asyncio would report it as never retrieved
