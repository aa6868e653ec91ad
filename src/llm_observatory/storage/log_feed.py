"""The feed of log records: which requests were committed, for whoever follows them (`query/logs/tail.py`).

Written in the transaction of the records, so that it says nothing that is not there and leaves nothing out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from importlib.resources import files

from psycopg.sql import SQL, Composed, Literal

from llm_observatory.storage.compose import named
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine.partitions import moment
from llm_observatory.storage.script import Step
from llm_observatory.storage.write import WriteRequest

KEPT = timedelta(minutes=10)
"""For clients that read slowly. A round of maintenance drops what is older."""

SIGNAL = "logs"
_ANNOUNCE = named(files(__package__) / "sql", "announce_logs")


def announcement(connection: AsyncConnection, group: Sequence[WriteRequest]) -> Iterator[Step]:
    """What says that the requests of log records in `group` are there, for the transaction that writes them."""
    requests = [request for request in group if request.signal == SIGNAL and request.encoded.accepted]
    if requests:
        rows = SQL(", ").join(_row(request) for request in requests)
        yield Step(_ANNOUNCE.format(rows=rows).as_string(connection))


def _row(request: WriteRequest) -> Composed:
    encoded = request.encoded
    values = (
        request.tenant,
        request.digest,
        encoded.accepted + encoded.rejected_count,
        _time(request.received_at),
        _time(encoded.min_time),
        _time(encoded.max_time),
    )
    return SQL("({})").format(SQL(", ").join(map(Literal, values)))


def _time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else moment(microseconds)
