"""COPY straight into the columnstore of TimescaleDB: when it is worth it, and how it is asked for.

Every COPY leaves at least one batch for each segment and chunk that it writes, and small ones cost more than rows in the
rowstore do: 5,000 rows a commit take 92 bytes a row, 100 take 283, one takes 1,147 and is fifty times slower. So it is decided
for every commit and table, by how many rows a segment of a chunk gets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llm_observatory.storage.engine.partitions import slots
from llm_observatory.storage.script import Step
from llm_observatory.storage.write import WriteRequest
from llm_observatory.tables import Table

MIN_ROWS_PER_SEGMENT = 100
"""A segment has this many rows on average, or its table is written to the rowstore."""


def pays(table: Table, rows: int, requests: Sequence[WriteRequest], chunk_us: int) -> bool:
    """Whether `rows` rows of `table`, those of `requests`, fill the batches they would make in chunks of `chunk_us`.

    What is known without looking at the rows: there are at least as many sources as services, and series as metrics.
    """
    chunks = slots((hour for request in requests for hour in request.encoded.hours), chunk_us)
    if table.segments is None:
        segments = len({request.tenant for request in requests})
    else:
        segments = len({key for request in requests for key in request.encoded.dimensions.get(table.segments, ())})
    return rows >= MIN_ROWS_PER_SEGMENT * segments * len(chunks)


def switch(*, on: bool) -> str:
    """The statement that switches it inside a transaction, for what follows."""
    return f"SET LOCAL timescaledb.enable_direct_compress_copy = {'on' if on else 'off'}"


class DirectCompress:
    """The switch inside one transaction. What the session says is not known, so the first `set` is always sent."""

    def __init__(self) -> None:
        self._on: bool | None = None

    def set(self, *, on: bool) -> Iterator[Step]:
        """What sets it for the COPY that follows. An INSERT has a switch of its own, which nobody sets."""
        if on != self._on:
            yield Step(switch(on=on))
            self._on = on
