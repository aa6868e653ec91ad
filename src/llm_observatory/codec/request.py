"""What the codec hands to the pipeline: one encoded request, and why some of it was not encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

REJECTION_SAMPLES = 20
"""How many rejections keep their path; all are counted by rule. A reply must stay far below 4 MiB (OTLP spec)."""


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


class Window(NamedTuple):
    """Which start times are accepted, in microseconds around now; `max_age_us` None accepts any age."""

    max_age_us: int | None
    max_ahead_us: int


class Rejection(NamedTuple):
    """One refused record: where it stood (`resource_spans[0].scope_spans[1].spans[7]`) and the rule it broke."""

    path: str
    rule: str


@dataclass(frozen=True, slots=True)
class EncodedRequest:
    """One OTLP export request as rows.

    `tables` are in the order of `tables.TABLES`. `sources` and `labels` map a 16-byte id to one COPY row of
    `telemetry_sources` and `metric_labels`. `rejected` holds the first REJECTION_SAMPLES rejections, `rejected_by_rule`
    counts all of them; `repaired` counts changed values by rule. `min_time`/`max_time` are the lowest and highest
    partition timestamp in microseconds since the Unix epoch, None when nothing was accepted; `hours` are the starts of
    the hours in which rows lie, in the same unit, ascending.
    """

    tables: tuple[EncodedTable, ...]
    accepted: int
    sources: Mapping[bytes, bytes] = field(default_factory=dict)
    labels: Mapping[bytes, bytes] = field(default_factory=dict)
    rejected: tuple[Rejection, ...] = ()
    rejected_by_rule: Mapping[str, int] = field(default_factory=dict)
    repaired: Mapping[str, int] = field(default_factory=dict)
    min_time: int | None = None
    max_time: int | None = None
    hours: tuple[int, ...] = ()

    @property
    def rejected_count(self) -> int:
        """How many records were refused."""
        return sum(self.rejected_by_rule.values())

    @property
    def size(self) -> int:
        """Bytes this request will send to PostgreSQL."""
        return sum(table.size for table in self.tables)
