"""LLM Usage: what models were asked, what it cost, how long it took and what went wrong. PostgreSQL only."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards import variables
from dashboards.dashboard import Section
from dashboards.dashboard import dashboard as made_of
from dashboards.panels import about, bars, listing, number, series
from dashboards.queries import Sql
from dashboards.thresholds import WARNING, any_is, rising
from dashboards.usage import CHOSEN, COST, FROM, ORIGIN, TENANT, TO, TOKENS, UNPRICED, percentile, usage

_ERRORS = "sum(error_count)::float8 / nullif(sum(call_count), 0)"
_SPENT = f"{COST}::float8"
_MONTH_SECONDS = 30 * 86_400


def dashboard() -> Dashboard:
    """The dashboard."""
    return made_of(
        "llm-usage",
        "LLM Usage",
        "Calls, tokens, cost, latency and errors of language models, by model, service, agent and user.",
        shows="6h",
        variables=[
            variables.postgres(),
            variables.constant("tenant", "Tenant", "default"),
            variables.from_database("service", "Service", _seen("service_name")),
            variables.from_database("environment", "Environment", _seen("coalesce(environment, '')")),
        ],
        sections=[
            Section("At a glance", _glance()),
            Section("Cost", _cost()),
            Section("Calls and tokens", _calls()),
            Section("Latency", _latency()),
            Section("Errors", _errors()),
            Section("By model, service, agent and user", _tables()),
            Section("Traces", [_traces()]),
        ],
    )


def _seen(column: str) -> str:
    """Values of a column of the rollups in the range that is shown; never none at all."""
    within = f"bucket >= date_bin(interval '1 day', {FROM}, {ORIGIN}) AND bucket < {TO}"
    return f"SELECT '' AS seen UNION SELECT {column} FROM llm_usage_daily WHERE tenant = {TENANT} AND {within} ORDER BY seen"


def _glance() -> list[Panel]:
    def one(title: str, description: str, unit: str, query: Sql) -> Panel:
        return number(about(title, description, unit, query, span=3, height=5))

    month = f"{_SPENT} / extract(epoch FROM {TO} - {FROM})::float8 * {_MONTH_SECONDS}"
    return [
        one(
            "Calls",
            "Calls of providers; agent and chain spans that repeat their usage are not counted.",
            "short",
            usage({"calls": "sum(call_count)"}, needs=["call_count"]),
        ),
        one(
            "Input tokens",
            "Those from a provider's cache included.",
            "short",
            usage({"tokens": "sum(input_tokens)"}, needs=["input_tokens"]),
        ),
        one(
            "Output tokens",
            "Those of reasoning included.",
            "short",
            usage({"tokens": "sum(output_tokens)"}, needs=["output_tokens"]),
        ),
        one(
            "Cost",
            "By model_prices, as they are now; what has no price is not in it.",
            "currencyUSD",
            usage({"cost": _SPENT}, needs=TOKENS, priced=True),
        ),
        one(
            "A month like this",
            "The cost of thirty days, if they go on as the range that is shown.",
            "currencyUSD",
            usage({"cost": month}, needs=TOKENS, priced=True),
        ),
        number(
            about(
                "Calls without a price",
                "Calls with tokens whose model has no price: their cost is unknown, not 0. "
                "`llm-observatory prices set` gives it one.",
                "short",
                usage({"calls": UNPRICED}, needs=[*TOKENS, "call_count", "unreported_count"], priced=True),
                span=3,
                height=5,
            ),
            steps=any_is(WARNING),
        ),
        number(
            about(
                "Errors",
                "Of calls those that failed.",
                "percentunit",
                usage({"errors": _ERRORS}, needs=["call_count", "error_count"]),
                span=3,
                height=5,
            ),
            steps=rising(0.02, 0.1),
        ),
        one(
            "First token, p95",
            "Time to the first chunk of streamed answers: 95 of 100 came sooner.",
            "ms",
            usage({"ttft": percentile("ttft_buckets", 0.95)}, needs=["ttft_buckets"]),
        ),
    ]


def _spent_by(dimension: str, what: str) -> Panel:
    end = "ORDER BY 2 DESC NULLS LAST LIMIT 10"
    return bars(
        about(
            f"Cost by {dimension}",
            f"The ten {what} that cost most.",
            "currencyUSD",
            usage({"cost": _SPENT}, needs=TOKENS, by=[dimension], priced=True, end=end),
            span=6,
            height=9,
        ),
        category=dimension,
    )


def _cost() -> list[Panel]:
    by_model = usage({"cost": _SPENT}, needs=TOKENS, by=["model"], stepped=True, priced=True)
    kinds = {
        "input": ("fresh_input_tokens", "input_usd"),
        "cache read": ("cache_read_tokens", "cache_read_usd"),
        "cache write": ("cache_write_tokens", "cache_write_usd"),
        "output": ("output_tokens", "output_usd"),
    }
    by_kind = {kind: f"coalesce(sum({tokens} * {rate}), 0)::float8" for kind, (tokens, rate) in kinds.items()}
    return [
        series(
            about("Cost by model over time", "In each step of the graph.", "currencyUSD", by_model, span=12, height=9),
            stacked=True,
            bars=True,
        ),
        _spent_by("model", "models"),
        _spent_by("service", "services"),
        series(
            about(
                "Cost by kind of token over time",
                "What is paid for: input that no cache had to do with, the provider's cache, output.",
                "currencyUSD",
                usage(by_kind, needs=TOKENS, stepped=True, priced=True),
                span=12,
                height=9,
            ),
            stacked=True,
            bars=True,
        ),
        _spent_by("agent", "agents"),
        _spent_by("user", "users"),
    ]


def _calls() -> list[Panel]:
    tokens = {
        "input": "coalesce(sum(fresh_input_tokens), 0)",
        "cache read": "coalesce(sum(cache_read_tokens), 0)",
        "cache write": "coalesce(sum(cache_write_tokens), 0)",
        "output": "coalesce(sum(output_tokens), 0)",
    }
    cached = {"share": "sum(cache_read_tokens)::float8 / nullif(sum(input_tokens), 0)"}
    return [
        series(
            about(
                "Calls by model",
                "In each step of the graph.",
                "short",
                usage({"calls": "sum(call_count)"}, needs=["call_count"], by=["model"], stepped=True),
                span=8,
            ),
            stacked=True,
            bars=True,
        ),
        series(
            about(
                "Tokens by kind",
                "In each step. input: those that no cache had to do with; output: those of reasoning included.",
                "short",
                usage(tokens, needs=TOKENS, stepped=True),
                span=8,
            ),
            stacked=True,
            bars=True,
        ),
        series(
            about(
                "Input from the provider's cache",
                "Of all input tokens, by model: cached ones cost a fraction.",
                "percentunit",
                usage(cached, needs=["cache_read_tokens", "input_tokens"], by=["model"], stepped=True),
                span=8,
            )
        ),
    ]


def _latency() -> list[Panel]:
    def both(buckets: str) -> dict[str, str]:
        return {"p50": percentile(buckets, 0.5), "p95": percentile(buckets, 0.95)}

    return [
        series(
            about(
                "Latency",
                "Of all calls: half of them, and 95 of 100, took less.",
                "ms",
                usage(both("duration_buckets"), needs=["duration_buckets"], stepped=True),
                span=6,
            )
        ),
        series(
            about(
                "Latency p95 by model",
                "To the end of the answer.",
                "ms",
                usage({"p95": percentile("duration_buckets", 0.95)}, needs=["duration_buckets"], by=["model"], stepped=True),
                span=6,
            )
        ),
        series(
            about(
                "Time to first token",
                "Of streamed answers whose instrumentation reports it.",
                "ms",
                usage(both("ttft_buckets"), needs=["ttft_buckets"], stepped=True),
                span=6,
            )
        ),
        series(
            about(
                "Time to first token p95 by model",
                "Of streamed answers whose instrumentation reports it.",
                "ms",
                usage({"p95": percentile("ttft_buckets", 0.95)}, needs=["ttft_buckets"], by=["model"], stepped=True),
                span=6,
            )
        ),
    ]


def _errors() -> list[Panel]:
    kinds = f"""
        SELECT coalesce(error_type, left(status_message, 80), '(not said)') AS "error",
               coalesce(nullif(response_model, ''), request_model, '') AS "model", service_name AS "service",
               count(DISTINCT (trace_id, span_id)) AS "calls", max(timestamp) AS "newest"
        FROM llm_traces
        WHERE tenant = {TENANT} AND $__timeFilter(timestamp) AND usage_role = 'call' AND status_code = 2 AND {CHOSEN}
          AND NOT EXISTS (
              SELECT FROM usage_corrections AS instead
              WHERE instead.tenant = {TENANT} AND instead.trace_id = llm_traces.trace_id
                AND instead.span_id = llm_traces.span_id AND instead.call_count < 0
          )
        GROUP BY 1, 2, 3
        ORDER BY 4 DESC
        LIMIT 20
    """
    needs = ["call_count", "error_count"]
    return [
        series(
            about(
                "Errors by model",
                "Of its calls those that failed. Warning from 2 %, bad from 10 %.",
                "percentunit",
                usage({"errors": _ERRORS}, needs=needs, by=["model"], stepped=True),
                span=6,
            ),
            steps=rising(0.02, 0.1),
        ),
        series(
            about(
                "Errors by service",
                "Of its calls those that failed. Warning from 2 %, bad from 10 %.",
                "percentunit",
                usage({"errors": _ERRORS}, needs=needs, by=["service"], stepped=True),
                span=6,
            ),
            steps=rising(0.02, 0.1),
        ),
        listing(
            about(
                "What went wrong",
                "error.type of the calls that failed, or what they said; each call once. Read from the spans.",
                "short",
                Sql(kinds),
                span=12,
            )
        ),
    ]


_TABLE = {
    "calls": "sum(call_count)",
    "errors": _ERRORS,
    "input": "sum(input_tokens)",
    "output": "sum(output_tokens)",
    "cost": _SPENT,
    "p50": percentile("duration_buckets", 0.5),
    "p95": percentile("duration_buckets", 0.95),
    "first token p50": percentile("ttft_buckets", 0.5),
    "first token p95": percentile("ttft_buckets", 0.95),
}
_TABLE_UNITS = {"errors": "percentunit", "cost": "currencyUSD"} | dict.fromkeys(
    ("p50", "p95", "first token p50", "first token p95"), "ms"
)


def _tables() -> list[Panel]:
    needs = [*TOKENS, "call_count", "error_count", "duration_buckets", "ttft_buckets"]
    beyond = {
        "agent": " Read from the spans: long ranges take their time.",
        "user": " Read from the spans: long ranges take their time.",
    }
    return [
        listing(
            about(
                f"By {dimension}",
                "Calls, tokens, cost, latency and time to first token, the dearest first." + beyond.get(dimension, ""),
                "short",
                usage(_TABLE, needs=needs, by=[dimension], priced=True, end="ORDER BY cost DESC NULLS LAST LIMIT 100"),
                span=12,
                height=9,
            ),
            units=_TABLE_UNITS,
        )
        for dimension in ("model", "service", "agent", "user")
    ]


def _traces() -> Panel:
    columns = {
        "began": "min(first_time)",
        "service": "min(first_service)",
        "users": "string_agg(DISTINCT users, ', ')",
        "calls": "sum(call_count)",
        "errors": "sum(error_count)",
        "input": "sum(input_tokens)",
        "output": "sum(output_tokens)",
        "cost": _SPENT,
    }
    more = {"first_time": "min(timestamp)", "first_service": "min(service_name)", "users": "string_agg(DISTINCT user_id, ', ')"}
    dearest = usage(
        columns,
        needs=[*TOKENS, "call_count", "error_count"],
        spans={"trace": "encode(uuid_send(trace_id), 'hex')"},
        more=more,
        priced=True,
        end="ORDER BY cost DESC NULLS LAST LIMIT 20",
    )
    return listing(
        about(
            "Most expensive traces",
            "`llm-observatory query trace ID` shows one. Read from the spans: long ranges take their time.",
            "short",
            dearest,
            span=24,
            height=10,
        ),
        units={"cost": "currencyUSD"},
    )
