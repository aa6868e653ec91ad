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


LZ4_MAX_BYTES = 32 * 1024**2
"""Of rows of a commit. lz4 refuses a value of nearly 1 GB (XX000), and numbers in jsonb take up to eight times the text."""

LZ4 = """
DO $$ BEGIN
    SET LOCAL default_toast_compression = lz4;
EXCEPTION WHEN invalid_parameter_value THEN
    NULL; -- a server without it
END $$
"""
"""Takes 10 µs; to look in pg_settings whether the server has it takes 530."""


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


def switch(*, on: bool, lz4: bool) -> Iterator[str]:
    """The statements that switch it inside a transaction, for what follows.

    lz4 for what is left of a batch: pglz is a sixth of the server's CPU in commits of 2,600 spans. The role's own setting is
    for batches of up to 1 GB (`engine/columnstore.py`).
    """
    yield f"SET LOCAL timescaledb.enable_direct_compress_copy = {'on' if on else 'off'}"
    if on and lz4:
        yield LZ4


class DirectCompress:
    """The switch inside one transaction, of a commit of `size` bytes of rows.

    What the session says is not known, so the first `set` is always sent.
    """

    def __init__(self, size: int) -> None:
        self._lz4 = size <= LZ4_MAX_BYTES
        self._on: bool | None = None

    def set(self, *, on: bool) -> Iterator[Step]:
        """What sets it for the COPY that follows. An INSERT has a switch of its own, which nobody sets."""
        if on != self._on:
            yield from map(Step, switch(on=on, lz4=self._lz4))
            self._on = on
