"""The order of found spans: what is sorted by, and where a page begins. Every order ends with time and ids: none ties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from importlib.resources import files
from typing import NamedTuple
from uuid import UUID

from llm_observatory.api.v1.trace_query_service_pb2 import TraceOrder
from llm_observatory.errors import InvalidQuery
from llm_observatory.query import checks, page
from llm_observatory.query.time_range import MAX_NANOSECONDS, moment, nanoseconds
from llm_observatory.query.traces.cost import costed
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL, Composed, named


class SpanKey(NamedTuple):
    """What a span is sorted by, and which it is. `value` is None where time alone counts."""

    value: int | float | None
    time: int
    trace_id: bytes
    span_id: bytes

    @property
    def identity(self) -> tuple[int, bytes, bytes]:
        """Which it is."""
        return self[1:]


class Order(NamedTuple):
    """What comes first: the newest, or else the greatest `value` of the rows that `valued` makes of whole rows of spans."""

    type: str = ""
    valued: Callable[[Composed], Composed] | None = None

    def beyond(self, after: SpanKey, values: Values) -> Composed:
        """The condition for what comes after a span in this order."""
        of_time = SQL("{}, {}::int2, {}::uuid, {}").format(
            values.add(moment(after.time)),
            values.add(after.time % 1000),
            values.add(after.trace_id.hex()),
            values.add(after.span_id),
        )
        if self.valued is None:
            return SQL("(timestamp, timestamp_nanos, trace_id, span_id) < ({})").format(of_time)
        value = SQL("{}::{}").format(values.add(after.value), SQL(self.type))
        return SQL("(value, timestamp, timestamp_nanos, trace_id, span_id) < ({}, {})").format(value, of_time)


_TIMED = named(files(__package__) / "sql", "timed_spans")


def _timed(spans: Composed) -> Composed:
    return _TIMED.format(spans=spans)


NEWEST, SLOWEST = Order(), Order("int8", _timed)
_ORDERS = {
    TraceOrder.TRACE_ORDER_UNSPECIFIED: NEWEST,
    TraceOrder.TRACE_ORDER_NEWEST: NEWEST,
    TraceOrder.TRACE_ORDER_SLOWEST: SLOWEST,
    TraceOrder.TRACE_ORDER_COSTLIEST: Order("float8", costed),
}


def order_of(asked: TraceOrder.ValueType) -> Order:
    """What a request asks for. Raises InvalidQuery."""
    checks.enum("order", asked, TraceOrder)
    return _ORDERS[asked]


def key_of(row: tuple[datetime, int, UUID, bytes] | tuple[datetime, int, UUID, bytes, int | float]) -> SpanKey:
    """Of a row of timestamp, timestamp_nanos, trace_id, span_id and, if there is one, value."""
    time, nanos, trace_id, span_id, *value = row
    return SpanKey(value[0] if value else None, nanoseconds(time, nanos), trace_id.bytes, span_id)


def to_page(key: SpanKey) -> page.Key:
    """For `page.token`."""
    return [key.value, key.time, key.trace_id.hex(), key.span_id.hex()]


def from_page(key: page.Key | None, order: Order) -> SpanKey | None:
    """The other direction; None for the first page. Raises InvalidQuery for what this service did not write."""
    match key:
        case None:
            return None
        case [value, int(time), str(trace_id), str(span_id)] if 0 <= time <= MAX_NANOSECONDS and _fits(value, order):
            return SpanKey(value, time, _bytes(trace_id, checks.TRACE_ID_BYTES), _bytes(span_id, checks.SPAN_ID_BYTES))  # type: ignore[arg-type]  # see _fits
        case _:
            raise InvalidQuery(page.FIELD, "is no token of this service")


KEY_PARTS = len(SpanKey._fields)


def _fits(value: object, order: Order) -> bool:
    match order.type:
        case "int8":
            return type(value) is int and abs(value) <= MAX_NANOSECONDS
        case "float8":
            return isinstance(value, float)
        case _:
            return value is None


def _bytes(text: str, length: int) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != length:
        raise InvalidQuery(page.FIELD, "is no token of this service")
    return found


def distinct(keys: Sequence[SpanKey]) -> list[SpanKey]:
    """Each key once. Copies of a span with the same value stand side by side; of others see `search.keys`."""
    return [key for number, key in enumerate(keys) if number == 0 or key != keys[number - 1]]
