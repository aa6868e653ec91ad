"""A Metric on the wire: what describes it, which kind of data it holds, and its data points one by one.

A record is a data point, but a Metric may hold a million of them: it is never parsed as a whole. Its fields may come in any
order and more than once. Of the kinds of data (a oneof) the last one counts and clears what came before; data of the same
kind in a row merges; of scalars the last value counts.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple

from llm_observatory.codec.reference.wire import INSIDE_GROUP, fields, tag, varint

GAUGE, SUM, HISTOGRAM, EXPONENTIAL_HISTOGRAM, SUMMARY = KINDS = tuple(map(tag, (5, 7, 9, 10, 11)))
"""The kinds of data, by tag."""

NO_DATA = 0
"""The kind of a Metric without data, or with data of a kind that is not known, such as the int_gauge of old OTLP."""

POINT = tag(1)
"""A data point, in data of any kind."""

_HEAD = frozenset(map(tag, (1, 2, 3, 12)))  # name, description, unit, metadata
_TEMPORALITY, _IS_MONOTONIC = 2 << 3, 3 << 3  # varints, in the data
_INT32 = 2**32
_UINT64_MAX = 2**64 - 1


class Metric(NamedTuple):
    """`head` is the Metric without its data, as bytes of a Metric; its data of that kind lies in `payload[start:end]`."""

    kind: int
    head: bytes
    start: int
    end: int


class DataHead(NamedTuple):
    """What data says beside its points."""

    temporality: int
    is_monotonic: bool


def read(payload: bytes, start: int, end: int, pause: int) -> Generator[None, None, Metric]:
    """The Metric in `payload[start:end]`. Pauses after every `pause` fields. Raises `Malformed`."""
    kind = NO_DATA
    head = bytearray()  # joined as it comes: millions of empty entries must not be millions of objects
    data = position = start
    left = pause
    for field, _, field_end in fields(payload, start, end):
        if field in _HEAD:
            head += payload[position:field_end]
        elif field != kind and field in KINDS:
            kind, data = field, position
        position = field_end
        left -= 1
        if not left:
            left = pause
            yield
    return Metric(kind, bytes(head), data, end)


def data_fields(payload: bytes, metric: Metric) -> Iterator[tuple[int, int, int]]:
    """The fields of the Metric's data, as `wire.fields` gives them; fields around the data as INSIDE_GROUP, to be counted."""
    if metric.kind == NO_DATA:
        return
    for field, start, end in fields(payload, metric.start, metric.end):
        yield INSIDE_GROUP, start, end
        if field == metric.kind:
            yield from fields(payload, start, end)


def read_data_head(payload: bytes, metric: Metric, pause: int) -> Generator[None, None, DataHead]:
    """What the Metric's data says beside its points, as if it were a Sum. Pauses and raises as `read`."""
    temporality, is_monotonic = 0, False
    left = pause
    for field, start, end in data_fields(payload, metric):
        if field == _TEMPORALITY:
            temporality = varint(payload, start, end)[0] % _INT32
        elif field == _IS_MONOTONIC:
            is_monotonic = varint(payload, start, end)[0] & _UINT64_MAX != 0
        left -= 1
        if not left:
            left = pause
            yield
    return DataHead(temporality - _INT32 if temporality >= _INT32 // 2 else temporality, is_monotonic)
