"""Usage from the database: from the rollups where they know, from the spans where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from typing import Any, Literal, NamedTuple

from llm_observatory.api.v1.selection_pb2 import AttributeFilter, AttributeScope
from llm_observatory.query import possible
from llm_observatory.query.conditions import AttributePlace, also
from llm_observatory.query.measured import measured
from llm_observatory.query.time_range import TimeRange
from llm_observatory.query.usage.cover import Part
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL, Composable, Composed, Identifier, named
from llm_observatory.storage.read import Reader
from llm_observatory.tables import LLM_TRACES
from llm_observatory.tables.rollups import LLM_USAGE, SIGNED_USAGE, USAGE_CORRECTIONS_ROLLUP, USAGE_ROLLUPS

_measured = measured("usage_repository")
_FOLDER = files(__package__) / "sql"
_USAGE, _RATES, _SUMS = named(_FOLDER, "usage"), named(_FOLDER, "rates"), named(_FOLDER, "sums")
_ROLLUP_PART, _RAW_PART = named(_FOLDER, "rollup_part"), named(_FOLDER, "raw_part")
_CORRECTION_PART, _ANY_CORRECTION = named(_FOLDER, "correction_part"), named(_FOLDER, "any_correction")
_PAGE, _CONVERSATIONS = named(_FOLDER, "page_of_conversations"), named(_FOLDER, "conversations")
_TURNS, _CONTENT = named(_FOLDER, "turns"), named(_FOLDER, "content")

_BAND = SQL(LLM_USAGE.keys[-1].raw)
_STATE = SQL(", ").join(Identifier(column.name) for column in SIGNED_USAGE)
_RAW_STATE, _CORRECTED = (
    SQL(", ").join(SQL("{} AS {}").format(SQL(column.raw), Identifier(column.name)) for column in columns)
    for columns in (SIGNED_USAGE, USAGE_CORRECTIONS_ROLLUP.state)
)
_RATE_KEYS = 5
"""provider, response_model, request_model, service_tier, input_band."""

_CONVERSATION_KEY = "gen_ai.conversation.id"
_PLACE = AttributePlace(LLM_TRACES, "attributes")

_TIME = SQL("extract(epoch FROM timestamp)::numeric * 1000000000 + timestamp_nanos")
_BUCKET = SQL("extract(epoch FROM bucket)::numeric * 1000000000")
"""In nanoseconds."""

_NOTHING = SQL("")


class _Keys(NamedTuple):
    """What a part is grouped by beside step, day and rates: columns with a comma after each, and how many they are."""

    columns: Composable
    number: int


_CONVERSATION_KEYS = _Keys(named(_FOLDER, "conversation_keys"), 6)
_SPAN_OF_TIME = SQL("min({time}) AS first_time, max({time}) AS last_time, ").format(time=_TIME)

Order = Literal["last_time", "cost"]


class Sums(NamedTuple):
    """Of calls, as `sql/sums.sql` has them. Tokens are whole; histograms are arrays as text, one after the other."""

    call_count: int
    error_count: int
    unreported_count: int
    input_tokens: Decimal | None
    output_tokens: Decimal | None
    cache_read_tokens: Decimal | None
    cache_write_tokens: Decimal | None
    reasoning_tokens: Decimal | None
    cost_usd: Decimal | None
    unpriced_count: int
    reported_cost_usd: float | None
    timed_count: int
    duration_ns_sum: Decimal | None
    duration_buckets: str | None
    ttft_buckets: str | None


class UsageFound(NamedTuple):
    """One group in one bucket; `step` counts steps since 1970."""

    step: int
    group: tuple[str, ...]
    sums: Sums


class ConversationFound(NamedTuple):
    """One conversation; times in nanoseconds."""

    conversation_id: str
    first_time: int
    last_time: int
    trace_count: int
    service_names: list[str]
    models: list[str]
    user_ids: list[str]
    agent_names: list[str]
    sums: Sums


class TurnFound(NamedTuple):
    """One span of a conversation. `counts`: its usage is its own."""

    trace_id: Any
    span_id: bytes
    parent_span_id: bytes | None
    timestamp: datetime
    timestamp_nanos: int
    duration_ns: int | None
    service_name: str
    span_name: str
    operation: str | None
    provider: str
    model: str | None
    agent_name: str | None
    tool_name: str | None
    user_id: str | None
    counts: bool
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    ttft_ms: float | None
    finish_reasons: list[str] | None
    is_error: bool
    error_type: str | None
    status_message: str | None


class ContentFound(NamedTuple):
    """One item of what was said."""

    trace_id: Any
    span_id: bytes
    kind: str
    carrier: str
    attribute: str
    body: str
    is_json: bool
    original_length: int


class ConversationKey(NamedTuple):
    """Where a conversation stands in an order: by its last time in nanoseconds, or its cost in US dollars."""

    value: int | Decimal
    conversation_id: str


class UsageRepository:
    """Reads what belongs to one tenant."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @_measured
    async def usage(
        self,
        tenant: str,
        parts: Sequence[Part],
        step: int,
        groups: Sequence[Composable],
        conditions: Sequence[Composed],
        values: Values,
        limit: int,
    ) -> list[UsageFound]:
        """Sums by step (nanoseconds, 0: all in one) and groups, as they are answered; one more than `limit` if there are."""
        names = [Identifier(f"group_{place}") for place in range(len(groups))]
        keyed = SQL("").join(SQL("{} AS {}, ").format(of, name) for name, of in zip(names, groups, strict=True))
        corrected = await self._any_correction(tenant, parts)
        sources = [
            source
            for part in parts
            for source in _part(part, step, _Keys(keyed, len(names)), conditions, values, corrected=corrected)
        ]
        statement = _USAGE.format(
            parts=SQL(" UNION ALL ").join(sources),
            rates=_RATES,
            sums=_SUMS,
            groups=SQL("").join(SQL("{}, ").format(name) for name in names),
            by_groups=SQL("").join(SQL(", {}").format(name) for name in names),
        )
        found = await self._reader.rows(statement, {**values.parameters, "tenant": tenant, "limit": limit + 1})
        width = 1 + len(groups)
        return [UsageFound(row[0], row[1:width], Sums(*row[width:])) for row in found]

    async def _any_correction(self, tenant: str, parts: Sequence[Part]) -> bool:
        """Whether something is to be added in the range of all parts."""
        start, end = parts[0].within.parameters["start_time"], parts[-1].within.parameters["end_time"]
        found = await self._reader.rows(_ANY_CORRECTION, {"tenant": tenant, "start": start, "end": end})
        return found == [(True,)]

    @_measured
    async def conversations(
        self,
        tenant: str,
        within: TimeRange,
        conditions: Sequence[Composed],
        values: Values,
        *,
        order: Order,
        after: ConversationKey | None,
        limit: int,
    ) -> list[ConversationFound]:
        """The first `limit` conversations in an order, from the one after `after`."""
        ids = await self._page(tenant, within, conditions, values.copy(), order, after, limit)
        if not ids:
            return []
        chosen = SQL("{}::text[]").format(values.add(ids))
        only = SQL("conversation_id = ANY({})").format(chosen)
        part = _part(
            Part("llm_traces", within), 0, _CONVERSATION_KEYS, [*conditions, only], values, corrected=True, more=_SPAN_OF_TIME
        )
        statement = _CONVERSATIONS.format(parts=SQL(" UNION ALL ").join(part), rates=_RATES, sums=_SUMS, ids=chosen)
        found = await self._reader.rows(statement, {**values.parameters, "tenant": tenant})
        return [
            ConversationFound(
                conversation_id, int(first), int(last), traces, services, models or [], users or [], agents or [], Sums(*sums)
            )
            for conversation_id, first, last, traces, services, models, users, agents, *sums in found
        ]

    async def _page(
        self,
        tenant: str,
        within: TimeRange,
        conditions: Sequence[Composed],
        values: Values,
        order: Order,
        after: ConversationKey | None,
        limit: int,
    ) -> list[str]:
        """Which conversations are asked for; by themselves, for latencies of all of them are most of the work."""
        ordered = SQL("last_time") if order == "last_time" else SQL("coalesce(cost_usd, -1)")
        beyond: Composable = SQL("true")
        if after is not None:
            beyond = SQL("({}, conversation_id) < ({}::numeric, {})").format(
                ordered, values.add(after.value), values.add(after.conversation_id)
            )
        statement = _PAGE.format(
            **_bounds(within, values),
            time=_TIME,
            input_band=_BAND,
            conditions=also([*conditions, *within.exact(values)]),
            rates=_RATES,
            beyond=beyond,
            order=ordered,
        )
        found = await self._reader.rows(statement, {**values.parameters, "tenant": tenant, "limit": limit})
        return [conversation_id for (conversation_id,) in found]

    @_measured
    async def turns(self, tenant: str, conversation_id: str, within: TimeRange, limit: int) -> list[TurnFound]:
        """The spans of a conversation in the order of time; one more than `limit` if there are."""
        asked = AttributeFilter(key=_CONVERSATION_KEY, scope=AttributeScope.ATTRIBUTE_SCOPE_RECORD)
        asked.equals.string_value = conversation_id
        wanted = await possible.wanted(self._reader, tenant, _PLACE, [asked])
        found: list[TurnFound] = []
        for part in await possible.parts(self._reader, tenant, "traces", within, wanted):
            values = Values(tenant=tenant, conversation_id=conversation_id, limit=limit + 1)
            bounds = _bounds(part, values)
            statement = _TURNS.format(**bounds, rates=_RATES, input_band=_BAND, conditions=also(part.exact(values)))
            found += [TurnFound(*row) for row in await self._reader.rows(statement, values.parameters)]
            if len(found) > limit:
                break
        return found

    @_measured
    async def content(self, tenant: str, turns: Sequence[TurnFound], first: datetime, last: datetime) -> list[ContentFound]:
        """What was said in these spans and in log records of theirs, between two times, in its order."""
        parameters = {
            "tenant": tenant,
            "first": first,
            "last": last,
            "traces": sorted({turn.trace_id for turn in turns}),
            "spans": sorted({turn.span_id for turn in turns}),
        }
        return [ContentFound(*row) for row in await self._reader.rows(_CONTENT, parameters)]


def _part(
    part: Part,
    step: int,
    keys: _Keys,
    conditions: Sequence[Composable],
    values: Values,
    *,
    corrected: bool,
    more: Composable = _NOTHING,
) -> list[Composed]:
    """Sums of one source and of its corrections, if they are to be read; `more` are aggregates beside, from rows only."""
    raw = part.source == LLM_TRACES.name
    begin = _TIME if raw else _BUCKET
    shared: dict[str, Composable] = {
        **_bounds(part.within, values),
        "step": SQL("div({}, {}::numeric)::int8").format(begin, values.add(step)) if step else SQL("0::int8"),
        "groups": keys.columns,
    }
    if not raw:
        sources = [part.source.replace(LLM_USAGE.name, rollup.name) for rollup in USAGE_ROLLUPS]
        shared |= {"state": _STATE, "conditions": also(conditions)}
        return [_ROLLUP_PART.format(**shared, source=Identifier(source)) for source in sources[: 1 + corrected]]
    shared |= {
        "conditions": also([*conditions, *part.within.exact(values)]),
        "keys": SQL(", ").join(SQL(str(place)) for place in range(1, 2 + keys.number + _RATE_KEYS + 1)),
    }
    found = [_RAW_PART.format(**shared, input_band=_BAND, state=SQL("{}{}").format(more, _RAW_STATE))]
    if corrected:
        found.append(_CORRECTION_PART.format(**shared, state=SQL("{}{}").format(more, _CORRECTED)))
    return found


def _bounds(within: TimeRange, values: Values) -> dict[str, Composable]:
    given = within.parameters
    return {"start": values.add(given["start_time"]), "end": values.add(given["end_time"])}
