"""Requests that ask the same, made equal: what a page token belongs to and what a cached answer is kept under."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from google.protobuf.message import Message

from llm_observatory.api.v1 import log_query_service_pb2 as logs
from llm_observatory.api.v1 import selection_pb2
from llm_observatory.api.v1 import trace_query_service_pb2 as traces
from llm_observatory.api.v1 import usage_query_service_pb2 as usage
from llm_observatory.query.time_range import DEFAULT

SETS = frozenset({
    "service_names", "span_names", "kinds", "status_codes", "attributes", "values", "providers", "models", "operations",
    "environments", "agent_names", "user_ids", "conversation_ids",
})  # fmt: skip
"""Repeated fields of requests whose order says nothing: conditions that must all hold, values any of which will do."""

_ORDERS: Mapping[type[Message], int] = {
    traces.SearchTracesRequest: traces.TRACE_ORDER_NEWEST,
    logs.SearchLogsRequest: logs.LOG_ORDER_NEWEST,
    usage.ListConversationsRequest: usage.CONVERSATION_ORDER_NEWEST,
}
"""What no order means."""

_DEFAULT_NANO = DEFAULT // timedelta(microseconds=1) * 1000


def normal(request: Message) -> Message:
    """A copy of `request` that is equal for all that ask the same: sets in order, each entry once, defaults filled in.

    Not filled in is what only the service knows: that costs a second entry in the cache, a wrong one would cost a wrong answer.
    """
    made = type(request)()
    made.CopyFrom(request)
    _order(made)
    order = _ORDERS.get(type(made))
    if order is not None and not getattr(made, "order"):  # noqa: B009 - messages differ in their fields
        made.order = order  # type: ignore[attr-defined]
    within = time_range(made)
    if within is not None and within.end_time_unix_nano and not within.start_time_unix_nano:
        within.start_time_unix_nano = max(0, within.end_time_unix_nano - _DEFAULT_NANO)
    return made


def time_range(request: Message) -> selection_pb2.TimeRange | None:
    """The range a request is bounded by; None where it names none."""
    if "time_range" not in request.DESCRIPTOR.fields_by_name or not request.HasField("time_range"):
        return None
    found: selection_pb2.TimeRange = request.time_range  # type: ignore[attr-defined]
    return found


def written(message: Message) -> bytes:
    """The same bytes for equal messages, within one version of protobuf."""
    return message.SerializeToString(deterministic=True)


def _order(message: Message) -> None:
    """Put the sets of a message, and of those in it, into order; innermost first."""
    for field, value in message.ListFields():
        inner = field.message_type is not None
        if field.is_repeated:
            if inner:
                for one in value:
                    _order(one)
            if field.name in SETS:
                chosen = {written(one): one for one in value}.values() if inner else set(value)
                ordered = sorted(chosen, key=written if inner else None)
                message.ClearField(field.name)
                getattr(message, field.name).extend(ordered)
        elif inner:
            _order(value)
