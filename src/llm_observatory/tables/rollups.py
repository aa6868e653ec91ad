"""What is summed up by hour and by day: every rollup, declared once for all engines.

A rollup is additive: its `state` columns can be summed again over services, hours and days, and percentiles come from counts
in logarithmic buckets. Each column says in SQL how it comes from rows of the source (`raw`) and, if there is a daily
rollup, how from rows of the hourly one (`merge`, an aggregate of the column's own values). SQL here names functions of
`pg_catalog` and of migration 008, and all of it is immutable: a continuous aggregate takes nothing else.

What comes from outside must never break a sum, or the hour could not be computed any more: sums of integers are numeric,
and of doubles only what is finite and below SUMMED_BELOW is summed (PostgreSQL raises 22003 where a sum of doubles overflows).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RollupType = Literal["bool", "float8", "float8[]", "int2", "int4", "int8", "int8[]", "numeric", "text", "timestamptz", "uuid"]

Grain = Literal["hourly", "daily"]
GRAINS: tuple[Grain, ...] = ("hourly", "daily")

SUMMED_BELOW = "1e290"
"""Of doubles that are summed, the absolute value: a hundred quadrillion of them stay below the largest double."""

INPUT_BANDS = (32_000, 100_000, 128_000, 199_999, 200_000, 256_000, 272_000, 512_000, 524_288)
"""Input tokens above which a call costs another price: all tiers of genai-prices 0.2.3, of any model."""


@dataclass(frozen=True, slots=True)
class RollupColumn:
    """One column. Keys have no `merge`; of a derived column `raw` names state columns in braces."""

    name: str
    type: RollupType
    raw: str
    merge: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollup:
    """One rollup: rows of `source` that `where` lets in, by hour (`NAME_hourly`) and, if `daily`, by day (`NAME_daily`).

    `signal` is whose records fill the source. `index` are the keys that follow tenant in its index. `always_tables`: its source
    is no hypertable, so that there is no continuous aggregate of it.
    """

    name: str
    source: str
    signal: str
    where: str = ""
    keys: tuple[RollupColumn, ...]
    state: tuple[RollupColumn, ...]
    derived: tuple[RollupColumn, ...] = ()
    daily: bool
    index: str = "service_name"
    always_tables: bool = False

    @property
    def grains(self) -> tuple[Grain, ...]:
        """Which there are, the finest first."""
        return GRAINS if self.daily else GRAINS[:1]

    @property
    def columns(self) -> tuple[RollupColumn, ...]:
        """All columns but tenant and bucket, in order."""
        return (*self.keys, *self.state, *self.derived)


@dataclass(frozen=True, slots=True)
class RollupView:
    """What people query: a rollup at one grain."""

    rollup: Rollup
    grain: Grain

    @property
    def name(self) -> str:
        """`trace_metrics_hourly`."""
        return f"{self.rollup.name}_{self.grain}"

    @property
    def columns(self) -> tuple[tuple[str, RollupType], ...]:
        """Names and types of all columns in order."""
        own = tuple((column.name, column.type) for column in self.rollup.columns)
        return (("tenant", "text"), ("bucket", "timestamptz"), *own)


def _key(name: str, type_: RollupType = "text") -> RollupColumn:
    return RollupColumn(name, type_, name)


def _count(name: str, where: str = "") -> RollupColumn:
    return RollupColumn(name, "int8", f"count(*) FILTER (WHERE {where})" if where else "count(*)", "sum")


def _total(name: str, of: str, where: str = "") -> RollupColumn:
    """A sum of integers: exact, NULL where none is reported."""
    return RollupColumn(name, "numeric", f"sum({of}) FILTER (WHERE {where})" if where else f"sum({of})", "sum")


def _double_total(name: str, of: str, where: str = "true") -> RollupColumn:
    return RollupColumn(name, "float8", f"sum({of}) FILTER (WHERE {where} AND abs({of}) < {SUMMED_BELOW})", "sum")


def _least_and_greatest(prefix: str, of: str, where: str = "") -> tuple[RollupColumn, RollupColumn]:
    only = f" FILTER (WHERE {where})" if where else ""
    return (
        RollupColumn(f"{prefix}_min", "float8", f"min({of}){only}", "min"),
        RollupColumn(f"{prefix}_max", "float8", f"max({of}){only}", "max"),
    )


def _buckets(name: str, of: str, where: str = "") -> RollupColumn:
    only = f" FILTER (WHERE {where})" if where else ""
    return RollupColumn(name, "int8[]", f"log_histogram(log_bucket({of})){only}", "log_histogram_merge")


def _percentiles(prefix: str, buckets: str) -> tuple[RollupColumn, ...]:
    return tuple(
        RollupColumn(f"{prefix}_p{percent}", "float8", f"log_histogram_quantile({{{buckets}}}, {percent / 100})")
        for percent in (50, 95, 99)
    )


def _first_and_last(name: str, values: str, where: str) -> tuple[RollupColumn, RollupColumn]:
    """The values of the first and the last row: arrays that begin with the time, in seconds, are ordered by it."""
    point = f"ARRAY[extract(epoch FROM timestamp - '1970-01-01+00'::timestamptz)::float8, {values}]"
    return (
        RollupColumn(f"first_{name}", "float8[]", f"min({point}) FILTER (WHERE {where})", "min"),
        RollupColumn(f"last_{name}", "float8[]", f"max({point}) FILTER (WHERE {where})", "max"),
    )


_BAND = " ".join(f"WHEN input_tokens > {tokens} THEN {tokens}" for tokens in reversed(INPUT_BANDS))
_FRESH_INPUT = (
    "CASE WHEN input_tokens IS NOT NULL THEN"
    " greatest(input_tokens::numeric - coalesce(cache_read_tokens, 0) - coalesce(cache_write_tokens, 0), 0) END"
)
"""The body of `llm_fresh_input_tokens` (migration 011), not its name: what depends on it would have to go before it can."""

_FAILED = "status_code = 2"
_CALL = "usage_role = 'call'"
_TIMED_CALL = f"{_CALL} AND duration_ms IS NOT NULL"

TRACE_METRICS = Rollup(
    name="trace_metrics",
    source="llm_traces",
    signal="traces",
    daily=True,
    keys=(_key("service_name"), _key("span_name"), _key("span_kind", "int2"), _key("is_entry", "bool")),
    state=(
        _count("span_count"),
        _count("error_count", _FAILED),
        _count("timed_count", "duration_ms IS NOT NULL"),
        _total("duration_ns_sum", "duration_ns", "duration_ms IS NOT NULL"),
        *_least_and_greatest("duration_ms", "duration_ms"),
        _buckets("duration_buckets", "duration_ms"),
    ),
    derived=_percentiles("duration_ms", "duration_buckets"),
)
"""Requests, errors, latency. `timed_count` are the spans whose duration is known: those that duration columns are about."""

LLM_USAGE = Rollup(
    name="llm_usage",
    source="llm_traces",
    signal="traces",
    where="usage_role IN ('call', 'carrier')",
    daily=True,
    keys=(
        _key("service_name"),
        _key("environment"),
        _key("provider"),
        _key("operation"),
        _key("request_model"),
        _key("response_model"),
        _key("service_tier"),
        RollupColumn("input_band", "int4", f"CASE {_BAND} ELSE 0 END"),
    ),
    state=(
        _count("call_count", _CALL),
        _count("error_count", f"{_CALL} AND {_FAILED}"),
        _count("unreported_count", f"{_CALL} AND input_tokens IS NULL AND output_tokens IS NULL"),
        _total("input_tokens", "input_tokens"),
        # For what calls cost: less than nothing in one call must not make another cheaper.
        _total("fresh_input_tokens", _FRESH_INPUT),
        _total("output_tokens", "output_tokens"),
        _total("cache_read_tokens", "cache_read_tokens"),
        _total("cache_write_tokens", "cache_write_tokens"),
        _total("reasoning_tokens", "reasoning_tokens"),
        _double_total("reported_cost_usd", "reported_cost_usd"),
        _count("timed_count", _TIMED_CALL),
        _total("duration_ns_sum", "duration_ns", _TIMED_CALL),
        *_least_and_greatest("duration_ms", "duration_ms", _CALL),
        _buckets("duration_buckets", "duration_ms", _CALL),
        _count("ttft_count", f"{_CALL} AND ttft_ms IS NOT NULL"),
        _double_total("ttft_ms_sum", "ttft_ms", _CALL),
        *_least_and_greatest("ttft_ms", "ttft_ms", _CALL),
        _buckets("ttft_buckets", "ttft_ms", _CALL),
    ),
    derived=(*_percentiles("duration_ms", "duration_buckets"), *_percentiles("ttft_ms", "ttft_buckets")),
)
"""Calls of providers and what they used. `input_band` is the price tier: the highest of INPUT_BANDS below them, else 0."""

SIGNED_USAGE = tuple(column for column in LLM_USAGE.state if column.merge in {"sum", "log_histogram_merge"})
"""What of it can be corrected: of a least and a greatest nothing can be taken away."""

USAGE_CORRECTIONS_ROLLUP = Rollup(
    name="usage_corrections",
    source="usage_corrections",
    signal="corrections",
    daily=True,
    keys=tuple(RollupColumn(key.name, key.type, f"{key.name}::{key.type}") for key in LLM_USAGE.keys),
    state=tuple(
        RollupColumn(column.name, column.type, f"{column.merge}({column.name})::{column.type}", column.merge)
        for column in SIGNED_USAGE
    ),
    always_tables=True,
)
"""What is to be added to LLM_USAGE, column by column, so that each call of a provider counts once."""

USAGE_ROLLUPS: tuple[Rollup, ...] = (LLM_USAGE, USAGE_CORRECTIONS_ROLLUP)
"""Usage is the sum of these: who reads it reads both, and of rows the sources of both."""

USAGE_DIMENSIONS = {
    "service": "service_name",
    "provider": "coalesce(provider, '')",
    "model": "coalesce(nullif(response_model, ''), request_model, '')",
    "operation": "coalesce(operation, '')",
    "environment": "coalesce(environment, '')",
    "agent": "coalesce(agent_name, '')",
    "user": "coalesce(user_id, '')",
    "conversation": "coalesce(conversation_id, '')",
}
"""By what usage is told apart, over rows of spans: empty where a call does not say. A model is the one that answered, or else
that was asked for."""

ROLLED_UP_DIMENSIONS = ("service", "provider", "model", "operation", "environment")
"""Those that rows of LLM_USAGE have, too."""

METRIC_STATS = Rollup(
    name="metric_stats",
    source="llm_metrics",
    signal="metrics",
    daily=False,
    keys=(_key("service_name"), _key("metric_name"), _key("series_id", "uuid")),
    state=(
        _count("point_count"),
        _count("value_count", "value IS NOT NULL"),
        _double_total("value_sum", "value"),
        *_least_and_greatest("value", "value"),
        *_first_and_last("value", "value", "value IS NOT NULL"),
        _total("measurement_count", "count"),
        _double_total("measurement_sum", "sum"),
        RollupColumn("measurement_min", "float8", "min(min)", "min"),
        RollupColumn("measurement_max", "float8", "max(max)", "max"),
        *_first_and_last("measurement", "count::float8, sum", "count IS NOT NULL"),
    ),
    index="metric_name",
)
"""Points of each series. `value_…` are of gauges and sums, `measurement_…` of histograms and summaries; sums of these say
something for delta temporality, for cumulative the difference of last and first does. `first_…` and `last_…` are
`[seconds since 1970, value]` and `[seconds since 1970, count, sum]`."""

ROLLUPS: tuple[Rollup, ...] = (TRACE_METRICS, LLM_USAGE, USAGE_CORRECTIONS_ROLLUP, METRIC_STATS)

ROLLUP_VIEWS: tuple[RollupView, ...] = tuple(RollupView(rollup, grain) for rollup in ROLLUPS for grain in rollup.grains)

AGGREGATE_VIEWS: tuple[RollupView, ...] = tuple(view for view in ROLLUP_VIEWS if not view.rollup.always_tables)
"""Those that are continuous aggregates where there are any."""
