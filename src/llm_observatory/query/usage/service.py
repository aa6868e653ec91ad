"""UsageQueryService: requests checked, answers made."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from llm_observatory.api.v1 import usage_query_service_pb2, usage_query_service_pb2_grpc
from llm_observatory.api.v1.usage_query_service_pb2 import (
    ConversationOrder,
    GetConversationRequest,
    GetConversationResponse,
    GetUsageRequest,
    GetUsageResponse,
    ListConversationsRequest,
    ListConversationsResponse,
    UsageRow,
)
from llm_observatory.errors import InvalidQuery, NotFound, TooMuch
from llm_observatory.query import checks, page
from llm_observatory.query.records import Room
from llm_observatory.query.server import Service
from llm_observatory.query.time_range import MAX_NANOSECONDS, TimeRange, resolve
from llm_observatory.query.usage import selection
from llm_observatory.query.usage.answer import summary_of, turn_of, usage_of
from llm_observatory.query.usage.cover import cover
from llm_observatory.query.usage.repository import ContentFound, ConversationKey, Order, TurnFound, UsageRepository
from llm_observatory.query.values import Values
from llm_observatory.serving.tenant import ASKING_TENANT
from llm_observatory.storage.pace import paced
from llm_observatory.storage.read import Reader

NAME = usage_query_service_pb2.DESCRIPTOR.services_by_name["UsageQueryService"].full_name
LONGEST_BY_ROLLUPS, LONGEST_BY_ROWS = timedelta(days=400), timedelta(days=31)
LONGEST_CONVERSATION, DEFAULT_CONVERSATION = timedelta(days=90), timedelta(hours=24)
MAX_BUCKETS, MAX_ROWS, MAX_TURNS = 2_000, 10_000, 10_000
DEFAULT_PAGE, LARGEST_PAGE = 20, 1_000
KEY_PARTS = 2
MAX_DIGITS = 200
"""Of a cost in a page token; sums of costs have some forty."""

TURNS_AT_ONCE = 20
"""Whose content is read together: a span may say megabytes."""
AROUND = timedelta(hours=1)
"""How far from its span a log record of it may be."""


class UsageQueryService:
    """See `proto/llm_observatory/api/v1/usage_query_service.proto`. `clock` gives nanoseconds since the Unix epoch."""

    def __init__(self, repository: UsageRepository, clock: Callable[[], int] = time.time_ns) -> None:
        self._repository = repository
        self._clock = clock

    async def GetUsage(self, request: GetUsageRequest, _context: Any) -> GetUsageResponse:  # noqa: N802 - the protocol's
        """Sums over calls, by bucket and group."""
        values = Values()
        conditions = selection.conditions(request.selection, values)
        groups = selection.groups(request.group_by)
        known = selection.known_to_rollups(request.selection, request.group_by)
        within = resolve(request.time_range, self._clock(), LONGEST_BY_ROLLUPS if known else LONGEST_BY_ROWS)
        step = _step(request.step_nano, within)
        parts = cover(within, step, by_rollups=known)
        from_rollups = any(part.source != "llm_traces" for part in parts)
        if not from_rollups:
            resolve(request.time_range, self._clock(), LONGEST_BY_ROWS)
        found = await self._repository.usage(ASKING_TENANT.get(), parts, step, groups, conditions, values, MAX_ROWS)
        if len(found) > MAX_ROWS:
            message = f"the answer has more than {MAX_ROWS} rows: ask for fewer groups, a longer step or a shorter range"
            raise TooMuch(message)
        rows = [
            UsageRow(start_time_unix_nano=row.step * step if step else within.start, group=row.group, usage=usage_of(row.sums))
            async for row in paced(found)
        ]
        return GetUsageResponse(rows=rows, from_rollups=from_rollups)

    async def ListConversations(  # noqa: N802 - see above
        self, request: ListConversationsRequest, _context: Any
    ) -> ListConversationsResponse:
        """Conversations that had calls in a range."""
        within = resolve(request.time_range, self._clock(), LONGEST_BY_ROWS)
        values = Values()
        conditions = selection.conditions(request.selection, values)
        size = checks.size("page_size", request.page_size, default=DEFAULT_PAGE, largest=LARGEST_PAGE)
        checks.enum("order", request.order, ConversationOrder)
        order: Order = "cost" if request.order == ConversationOrder.CONVERSATION_ORDER_COSTLIEST else "last_time"
        found = await self._repository.conversations(
            ASKING_TENANT.get(), within, conditions, values, order=order, after=_after(request, order), limit=size + 1
        )
        answer = ListConversationsResponse(conversations=[summary_of(one) async for one in paced(found[:size])])
        if len(found) > size:
            last = found[size - 1]
            cost = "-1" if last.sums.cost_usd is None else str(last.sums.cost_usd)
            answer.next_page_token = page.token(request, [cost if order == "cost" else last.last_time, last.conversation_id])
        return answer

    async def GetConversation(  # noqa: N802 - see above
        self, request: GetConversationRequest, _context: Any
    ) -> AsyncIterator[GetConversationResponse]:
        """The spans of a conversation, with what was said."""
        conversation_id = checks.text("conversation_id", request.conversation_id, required=True)
        within = resolve(request.time_range, self._clock(), LONGEST_CONVERSATION, default=DEFAULT_CONVERSATION)
        found = await self._repository.turns(ASKING_TENANT.get(), conversation_id, within, MAX_TURNS)
        if not found:
            message = "no span of this conversation started in the range"
            raise NotFound(message)
        if len(found) > MAX_TURNS:
            message = f"the conversation has more than {MAX_TURNS} spans in the range: ask for a shorter one"
            raise TooMuch(message)
        for start in range(0, len(found), TURNS_AT_ONCE):
            some = found[start : start + TURNS_AT_ONCE]
            for answer in _messages(some, () if request.omit_content else await self._content(some)):
                yield answer

    async def _content(self, turns: Sequence[TurnFound]) -> Sequence[ContentFound]:
        first = min(turn.timestamp for turn in turns) - AROUND
        last = max(turn.timestamp + timedelta(microseconds=(turn.duration_ns or 0) // 1000) for turn in turns) + AROUND
        return await self._repository.content(ASKING_TENANT.get(), turns, first, last)


def service(reader: Reader) -> Service:
    """The service on a reader."""
    return Service(
        NAME, usage_query_service_pb2_grpc.add_UsageQueryServiceServicer_to_server, UsageQueryService(UsageRepository(reader))
    )


def _step(step: int, within: TimeRange) -> int:
    if step < 0:
        raise InvalidQuery("step_nano", "is negative")
    if step and (within.end - 1) // step - within.start // step >= MAX_BUCKETS:
        raise InvalidQuery("step_nano", f"makes more than {MAX_BUCKETS} buckets of the range")
    return step


def _after(request: ListConversationsRequest, order: Order) -> ConversationKey | None:
    match page.key(request, KEY_PARTS), order:
        case None, _:
            return None
        case [int(time), str(conversation_id)], "last_time" if type(time) is int and 0 <= time <= MAX_NANOSECONDS:
            value: int | Decimal | None = time
        case [str(cost), str(conversation_id)], "cost":
            value = _dollars(cost)
        case _:
            value, conversation_id = None, ""
    if value is None or _NO_TEXT.search(conversation_id):
        raise InvalidQuery(page.FIELD, "is no token of this service")
    return ConversationKey(value, conversation_id)


_NO_TEXT = re.compile(r"[\0\ud800-\udfff]")
"""What JSON may hold and PostgreSQL takes in no text."""


def _dollars(text: str) -> Decimal | None:
    """A cost that may come of sums; None for anything else, such as numbers of a million digits."""
    try:
        cost = Decimal(text)
    except InvalidOperation:
        return None
    return cost if len(text) <= MAX_DIGITS and cost.is_finite() and abs(cost.adjusted()) <= MAX_DIGITS else None


def _messages(turns: Sequence[TurnFound], content: Sequence[ContentFound]) -> Iterator[GetConversationResponse]:
    """Turns by messages below MESSAGE_BYTES, but for one that is larger by itself."""
    said: dict[tuple[Any, bytes], list[ContentFound]] = {}
    for item in content:
        said.setdefault((item.trace_id, item.span_id), []).append(item)
    answer, room = GetConversationResponse(), Room()
    for found in turns:
        turn = turn_of(found, said.get((found.trace_id, found.span_id), ()))
        if not room.take(turn.ByteSize()):
            yield answer
            answer, room = GetConversationResponse(), Room()
            room.take(turn.ByteSize())
        answer.turns.append(turn)
    yield answer
