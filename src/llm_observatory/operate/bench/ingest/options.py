"""What is to be measured, and whether it can be measured here."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from tempfile import gettempdir
from typing import Literal

from llm_observatory.codec import Native
from llm_observatory.errors import ConfigError
from llm_observatory.operate.bench.data import DATA_SETS
from llm_observatory.pipeline.signal import TRACES
from llm_observatory.settings import Settings

SPANS = tuple(name for name, data_set in DATA_SETS.items() if data_set.signal == TRACES.name)
"""The data sets that can be measured: the ceiling is of spans."""

LANES = {
    "copy": "bare COPY of the same rows into the same tables: the ceiling",
    "grpc": "OTLP over gRPC, committed, with each codec",
    "http": "OTLP over HTTP with protobuf, committed",
    "asyncpg": "asyncpg's copy_records_to_table, fed the same values",
    "psycopg": "psycopg's write_row, fed the same values",
    "small": "gRPC with 32 items a request",
    "noop": "a gRPC server that reads the message and answers: what gRPC itself costs",
    "half": "gRPC at half of the rate it has at saturation",
}
"""By name, what is measured in turn."""

EVERYWHERE = ("copy", "grpc", "http")
"""Measured at each number of committers, the others at one of them."""

SMALL_ITEMS = 32
DEFAULT_COMMITTERS: int = Settings.model_fields["ingest_committers"].default
ROW_BYTES = {"spans-0.5k": 1_000, "spans-4k": 3_500, "spans-16k": 6_000}
"""Of the disk, for a row that is there before, by data set: row, indexes, index row, compressed content, a share of the log."""

_ROWS = re.compile(r"(\d{1,9})([kM]?)")
_UNITS = {"": 1, "k": 1_000, "M": 1_000_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `bench ingest`, see its `--help`. Raises ConfigError where they cannot be followed."""

    data_set: str
    items: int
    committers: tuple[int, ...]
    rows: int
    lanes: tuple[str, ...]
    codecs: tuple[str, ...]
    rounds: int
    seconds: float
    minutes: float
    clients: int
    seed: int
    pin: bool
    direct_compress: bool
    database_url: str | None

    def __post_init__(self) -> None:
        faults = [
            *_unknown("--data-set", [self.data_set], SPANS),
            *_unknown("--lanes", self.lanes, LANES),
            *([] if self.database_url or not self.direct_compress else [_NEEDS_TIMESCALEDB]),
            *self._codec_faults(),
            *self._core_faults(),
            *self._room_faults(),
        ]
        if faults:
            raise ConfigError(faults)

    @property
    def usual(self) -> int:
        """The number of committers at which everything is measured: the service's default where it is among them."""
        return DEFAULT_COMMITTERS if DEFAULT_COMMITTERS in self.committers else self.committers[0]

    @property
    def missing(self) -> list[str]:
        """Lanes whose driver is not installed."""
        return [lane for lane in self.lanes if lane == "asyncpg" and find_spec(lane) is None]

    def lanes_at(self, committers: int) -> list[str]:
        """What is measured in turn at so many committers; `half` comes after it, for it needs a rate."""
        left_out = {"half", *self.missing}
        here = [lane for lane in self.lanes if lane not in left_out and (committers == self.usual or lane in EVERYWHERE)]
        if "grpc" in here and committers == self.usual:
            here += [f"grpc-{codec}" for codec in self.codecs[1:]]
            here += ["grpc-empty"] if self.rows else []
        return here

    def _codec_faults(self) -> list[str]:
        if "native" not in self.codecs:
            return []
        try:
            Native()
        except ConfigError as error:
            return [f"--codec: {fault}; use --codec reference" for fault in error.faults]
        return []

    def _core_faults(self) -> list[str]:
        if not self.pin:
            return []
        if not hasattr(os, "sched_setaffinity"):
            return ["--pin: this system does not let processes be kept to a core; leave it out"]
        cores = len(os.sched_getaffinity(0))
        return [] if cores > 1 else ["--pin: the database and the service need a core each, and here is one; leave --pin out"]

    def _room_faults(self) -> list[str]:
        if not self.rows or self.database_url or self.data_set not in SPANS:
            return []
        free, needed = shutil.disk_usage(gettempdir()).free, self.rows * ROW_BYTES[self.data_set]
        if free >= needed:
            return []
        room = f"{self.rows:,} rows need about {needed / 1e9:.0f} GB and {gettempdir()} has {free / 1e9:.0f} GB"
        return [f"--rows: {room}; set TMPDIR to a larger disk, or take fewer"]


_NEEDS_TIMESCALEDB = "--direct-compress: needs TimescaleDB 2.28.1 or newer; name a server that has it with --database-url"


def parse_rows(text: str) -> int:
    """`0`, `500k`, `10M`. Raises ConfigError."""
    found = _ROWS.fullmatch(text)
    if found is None:
        raise ConfigError([f"--rows: {text!r} is no number of rows such as 0, 500k or 10M"])
    return int(found[1]) * _UNITS[found[2]]


def parse_committers(text: str) -> tuple[int, ...]:
    """`1,2,4`, within the limits of INGEST_COMMITTERS. Raises ConfigError."""
    try:
        numbers = tuple(dict.fromkeys(int(part) for part in text.split(",")))
        for number in numbers:
            Settings(ingest_committers=number)
    except ValueError:
        raise ConfigError([f"--committers: {text!r} is no list of numbers from 1 to 16 such as 1,2,4"]) from None
    return numbers


def parse_lanes(text: str) -> tuple[str, ...]:
    """`copy,grpc`; `all` is every lane."""
    return tuple(LANES) if text == "all" else tuple(dict.fromkeys(part.strip() for part in text.split(",")))


def codecs(choice: Literal["both", "native", "reference"]) -> tuple[str, ...]:
    """The codecs to measure, the one that bars are about first."""
    if choice != "both":
        return (choice,)
    try:
        Native()
    except ConfigError:
        return ("reference",)
    return ("native", "reference")


def _unknown(option: str, given: Sequence[str], known: Iterable[str]) -> list[str]:
    return [f"{option}: {name!r} is none of {', '.join(known)}" for name in given if name not in known]
