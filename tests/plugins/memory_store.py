"""A store in memory, for tests of the pipeline's policy. `tests/contract/test_store.py` holds it to what the real one does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llm_observatory.codec.request import EncodedRequest, EncodedTable
from llm_observatory.errors import DataRejected, StorageError
from llm_observatory.storage.write import Busy, Outcome, Stored, WriteRequest

NOW = 1_790_000_000_000_000
"""A fixed receive time in microseconds since the Unix epoch (2026-09)."""


class MemoryStore:
    """`committed` maps digests to answers, `untimed` has the digests of what was stored without being known by them.

    Digests in `poison` are refused, those in `busy` are held elsewhere.

    Errors in `failures` are raised one a write, before anything else; `on_write` is called with each group.
    """

    def __init__(self) -> None:
        self.committed: dict[bytes, bytes] = {}
        self.untimed: list[bytes] = []
        self.buried: dict[bytes, str] = {}
        self.poison: set[bytes] = set()
        self.busy: set[bytes] = set()
        self.failures: list[StorageError] = []
        self.groups: list[list[bytes]] = []
        self.on_write: Callable[[Sequence[WriteRequest]], None] = lambda _: None

    async def write(self, group: Sequence[WriteRequest]) -> list[Outcome]:
        """All of the group or nothing."""
        self.groups.append([request.digest for request in group])
        self.on_write(group)
        if self.failures:
            raise self.failures.pop(0)
        if any(request.digest in self.poison and request.digest not in self.committed for request in group):
            message = "refused"
            raise DataRejected(message, "22P05")
        return [self._write_one(request) for request in group]

    async def dry_run(self, request: WriteRequest) -> None:
        """Refuses what `write` refuses."""
        if request.digest in self.poison:
            message = "refused"
            raise DataRejected(message, "22P05")

    async def bury(self, request: WriteRequest, payload: bytes, error: str) -> Stored:
        """Keep the payload's error, and the answer for a retry."""
        del payload
        outcome = self._remember(request)
        if outcome.duplicate:
            return outcome
        self.buried[request.digest] = error
        return Stored(request.answer, refused=True)

    def _write_one(self, request: WriteRequest) -> Outcome:
        held = request.digest in self.busy and not request.encoded.untimed
        return Busy() if held else self._remember(request)

    def _remember(self, request: WriteRequest) -> Stored:
        if request.encoded.untimed:
            self.untimed.append(request.digest)
        elif request.digest in self.committed:
            return Stored(self.committed[request.digest], duplicate=True)
        else:
            self.committed[request.digest] = request.answer
        return Stored(request.answer)


def write_request(digest: bytes, rows: int = 1, size: int = 10, answer: bytes = b"", signal: str = "traces") -> WriteRequest:
    """A request of `rows` rows and `size` bytes that no database will ever see."""
    table = EncodedTable("llm_traces", rows, (bytes(size),))
    return WriteRequest("default", signal, digest, answer, NOW, EncodedRequest((table,), accepted=rows))
