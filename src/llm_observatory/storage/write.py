"""What the pipeline asks the database to write, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass

from llm_observatory.codec.request import EncodedRequest
from llm_observatory.errors import LOCK_NOT_AVAILABLE, StorageUnavailable


@dataclass(frozen=True, slots=True, eq=False)
class WriteRequest:
    """One export request, encoded. It is never split across transactions.

    `digest` identifies its bytes (16 bytes); `answer` is the response it gets, stored beside the digest;
    `received_at` is in microseconds since the Unix epoch.
    """

    tenant: str
    signal: str
    digest: bytes
    answer: bytes
    received_at: int
    encoded: EncodedRequest


@dataclass(frozen=True, slots=True)
class Stored:
    """Committed. `answer` is this request's, or the first copy's when `duplicate`: then no row was written now.

    `refused`: the database refused its rows; it is kept in `dead_letters` and the answer says so.
    """

    answer: bytes
    duplicate: bool = False
    refused: bool = False


class Busy:
    """Another process is committing the same digest right now; come back later."""

    def error(self) -> StorageUnavailable:
        """The same, for a client."""
        return StorageUnavailable("the same request is being stored by another process", LOCK_NOT_AVAILABLE)


Outcome = Stored | Busy
