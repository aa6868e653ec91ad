"""The feed of log records: which requests were committed, for whoever follows them (`query/logs/tail.py`).

Written in the transaction of the records, so that it says nothing that is not there and leaves nothing out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.statements import statement
from llm_observatory.storage.write import WriteRequest

KEPT = timedelta(minutes=10)
"""For clients that read slowly. A round of maintenance drops what is older."""

SIGNAL = "logs"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def announce(connection: AsyncConnection, group: Sequence[WriteRequest]) -> None:
    """Say that the requests of log records in `group` are there, inside the transaction that writes them."""
    requests = [request for request in group if request.signal == SIGNAL and request.encoded.accepted]
    if not requests:
        return
    await connection.execute(
        statement("announce_logs"),
        (
            [request.tenant for request in requests],
            [request.digest for request in requests],
            [request.encoded.accepted + request.encoded.rejected_count for request in requests],
            [_time(request.received_at) for request in requests],
            [_time(request.encoded.min_time) for request in requests],
            [_time(request.encoded.max_time) for request in requests],
        ),
    )


def _time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)
