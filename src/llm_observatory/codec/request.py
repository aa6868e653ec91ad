"""What the codec hands to the pipeline: one encoded request, and why some of it was not encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class EncodedTable:
    """Rows of one table in PostgreSQL's binary COPY format, without file header and trailer.

    `chunks` are concatenated rows, each chunk a whole number of rows.
    """

    name: str
    rows: int
    chunks: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """Bytes of all rows."""
        return sum(map(len, self.chunks))


class Terms(NamedTuple):
    """On what terms records are taken in: what of it all an operator decides.

    Times are accepted from `max_age_us` before now (None: any age) to `max_ahead_us` after it, in microseconds. Of one item
    of content `content_max_bytes` are kept, cut on a character boundary; 0 keeps no content at all.
    """

    max_age_us: int | None
    max_ahead_us: int
    content_max_bytes: int


class Rejection(NamedTuple):
    """One refused record: where it stood (`resource_spans[0].scope_spans[1].spans[7]`) and the rule it broke."""

    path: str
    rule: str


@dataclass(frozen=True)
class EncodedRequest:
    """One OTLP export request as rows.

    `tables` are in the order of `tables.TABLES`. `dimensions` has, by table name, one COPY row for each 16-byte id that the
    rows name (`telemetry_sources`, `metric_labels`). `rejected` holds the first REJECTION_SAMPLES rejections,
    `rejected_by_rule` counts all of them; `repaired` counts changed values by rule, `odd` what was stored as it came although
    no specification allows it. `min_time`/`max_time` are the lowest and highest partition timestamp in microseconds since
    the Unix epoch, None when nothing was accepted; `hours` are the starts of the hours in which rows lie, in the same
    unit, ascending. `untimed`: some log record carries no time at all, so that a retry of the request cannot be told from
    the same thing having happened again.
    """

    tables: tuple[EncodedTable, ...]
    accepted: int
    dimensions: Mapping[str, Mapping[bytes, bytes]] = field(default_factory=dict)
    rejected: tuple[Rejection, ...] = ()
    rejected_by_rule: Mapping[str, int] = field(default_factory=dict)
    repaired: Mapping[str, int] = field(default_factory=dict)
    odd: Mapping[str, int] = field(default_factory=dict)
    min_time: int | None = None
    max_time: int | None = None
    hours: tuple[int, ...] = ()
    untimed: bool = False

    @property
    def rejected_count(self) -> int:
        """How many records were refused."""
        return sum(self.rejected_by_rule.values())

    @cached_property
    def size(self) -> int:
        """Bytes this request will send to PostgreSQL at most: rows of dimensions that are known there already are not sent."""
        return sum(table.size for table in self.tables) + sum(
            len(row) for rows in self.dimensions.values() for row in rows.values()
        )
