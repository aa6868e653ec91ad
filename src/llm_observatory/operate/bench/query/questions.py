"""What is asked, and how fast it has to be answered: the bars of the query service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from llm_observatory.api.v1.log_query_service_pb2 import LogSelection, SearchLogsRequest
from llm_observatory.api.v1.selection_pb2 import AttributeFilter, AttributeValue, TimeRange
from llm_observatory.api.v1.trace_query_service_pb2 import GetTraceRequest, SearchTracesRequest, TraceOrder
from llm_observatory.api.v1.usage_query_service_pb2 import GetUsageRequest, UsageGroup
from llm_observatory.operate.bench.query.pool import DAY

SERVICES = ("gateway", "assistant", "guard", "retrieval", "orders")
HOUR = timedelta(hours=1)
NEWEST = 20
UNIT_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Known:
    """What of the data set questions are made of: when it ends, how many days it has, ids and texts that stand in it."""

    clock: datetime
    days: int
    trace_ids: Sequence[bytes]
    request_ids: Sequence[str]
    """Values of `app.request_id`, each of one span of the pool: some ten a day of ten million spans in thirty days."""

    words: Sequence[str]
    """Numbers that few log records mention."""


@dataclass(frozen=True, slots=True)
class Question:
    """`bar` is of the 95th percentile, in milliseconds. `ask` makes a request of a method; a different one each time."""

    name: str
    bar: float
    method: str
    ask: Callable[[Random, Known], Any]
    found: Callable[[Any], int]
    """How many of what was asked for an answer holds."""

    finds: bool = True
    """Whether something must be found: what finds nothing by mistake is fast."""


def _spans(answer: Any) -> int:
    return len(answer.spans)


def _search(random: Random, begin: datetime, end: datetime, **asked: object) -> SearchTracesRequest:
    # Another range each time, by microseconds: nothing between client and tables may answer from memory.
    begin += timedelta(microseconds=random.randrange(1, 1000))
    return SearchTracesRequest(time_range=_range(begin, end), page_size=NEWEST, **asked)  # type: ignore[arg-type]  # by name


def _range(begin: datetime, end: datetime) -> TimeRange:
    return TimeRange(start_time_unix_nano=_ns(begin), end_time_unix_nano=_ns(end))


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * UNIT_NS + moment.microsecond * 1000


def _day(random: Random, known: Known) -> tuple[datetime, datetime]:
    """A day of the data set, of the rowstore or the columnstore; it begins at a full hour."""
    hours = random.randrange((known.days - 1) * 24 + 1)
    return known.clock - DAY - hours * HOUR, known.clock - hours * HOUR


def _all(known: Known) -> tuple[datetime, datetime]:
    return known.clock - known.days * DAY, known.clock


def _moments(random: Random, known: Known) -> tuple[datetime, datetime]:
    """An hour anywhere."""
    begin, _ = _day(random, known)
    begin += random.randrange(23) * HOUR
    return begin, begin + HOUR


def _equals(key: str, value: str) -> AttributeFilter:
    return AttributeFilter(key=key, equals=AttributeValue(string_value=value))


def _by_service(random: Random, known: Known) -> SearchTracesRequest:
    return _search(random, *_moments(random, known), service_names=[random.choice(SERVICES)])


def _newest(random: Random, known: Known) -> SearchTracesRequest:
    return _search(random, *_day(random, known))


def _long(random: Random, known: Known) -> SearchTracesRequest:
    return _search(random, *_day(random, known), min_duration_nano=random.randrange(8, 40) * UNIT_NS)


def _failed(random: Random, known: Known) -> SearchTracesRequest:
    return _search(random, *_day(random, known), status_codes=[2], service_names=[random.choice(SERVICES)])


def _slowest(random: Random, known: Known) -> SearchTracesRequest:
    return _search(random, *_day(random, known), order=TraceOrder.TRACE_ORDER_SLOWEST)


def _attribute(within: Callable[[Random, Known], tuple[datetime, datetime]]) -> Callable[[Random, Known], SearchTracesRequest]:
    return lambda random, known: _search(
        random, *within(random, known), attributes=[_equals("app.request_id", random.choice(known.request_ids))]
    )


def _absent(random: Random, known: Known) -> SearchTracesRequest:
    return _search(random, *_all(known), attributes=[_equals("app.request_id", f"req_{random.getrandbits(120):x}")])


_GROUPS = (
    UsageGroup.USAGE_GROUP_SERVICE,
    UsageGroup.USAGE_GROUP_PROVIDER,
    UsageGroup.USAGE_GROUP_MODEL,
    UsageGroup.USAGE_GROUP_OPERATION,
    UsageGroup.USAGE_GROUP_ENVIRONMENT,
)


def _usage(days: int, step: timedelta, groups: int) -> Callable[[Random, Known], GetUsageRequest]:
    """Whole steps, told apart by so many groups; it differs in which they are and in up to a day at its begin."""

    def ask(random: Random, known: Known) -> GetUsageRequest:
        later = random.randrange(max(2, DAY // step)) * step
        begin = known.clock - min(days, known.days) * DAY + later
        return GetUsageRequest(
            time_range=_range(begin, known.clock),
            step_nano=int(step.total_seconds()) * UNIT_NS,
            group_by=random.sample(_GROUPS, groups),
        )

    return ask


def _text(random: Random, known: Known) -> SearchLogsRequest:
    begin = known.clock - DAY + timedelta(microseconds=random.randrange(1000))
    selection = LogSelection(text=random.choice(known.words))
    return SearchLogsRequest(time_range=_range(begin, known.clock), selection=selection, page_size=NEWEST)


GET, SEARCH, USAGE, LOGS = "GetTrace", "SearchTraces", "GetUsage", "SearchLogs"

TRACE_BY_ID = Question(
    "trace by id",
    50,
    GET,
    lambda random, known: GetTraceRequest(trace_id=random.choice(known.trace_ids)),
    lambda answer: len(answer.traces.resource_spans),
)
SERVICE_AND_HOUR = Question("service and hour, newest 20", 50, SEARCH, _by_service, _spans, finds=False)

QUESTIONS = (
    TRACE_BY_ID,
    SERVICE_AND_HOUR,
    Question("all services, newest 20 of a day", 50, SEARCH, _newest, _spans),
    Question("duration at least, newest 20 of a day", 100, SEARCH, _long, _spans, finds=False),
    Question("failed, of a service, newest 20 of a day", 100, SEARCH, _failed, _spans, finds=False),
    Question("slowest 20 of a day", 250, SEARCH, _slowest, _spans),
    Question("attribute, newest 20 of a day", 250, SEARCH, _attribute(_day), _spans, finds=False),
    Question(
        "attribute, newest 20 of all days", 1000, SEARCH, _attribute(lambda _random, known: _all(known)), _spans, finds=False
    ),
    Question("attribute that nobody has, all days", 1000, SEARCH, _absent, _spans, finds=False),
    Question("usage by hour, 7 days, by one", 50, USAGE, _usage(7, HOUR, 1), lambda answer: len(answer.rows)),
    Question("usage by hour, 7 days, by two", 50, USAGE, _usage(7, HOUR, 2), lambda answer: len(answer.rows)),
    Question("usage by day, 30 days, by two", 50, USAGE, _usage(30, DAY, 2), lambda answer: len(answer.rows)),
    Question("log text, newest 20 of a day", 250, LOGS, _text, lambda answer: len(answer.logs)),
)
