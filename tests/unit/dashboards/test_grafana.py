"""Macros and variables are put in as Grafana does it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from dashboards.grafana import Shown, Table, chosen

END = datetime(2026, 11, 28, 12, tzinfo=UTC)
SHOWN = Shown(
    END - timedelta(hours=1),
    END,
    timedelta(seconds=30),
    variables={"service": ["a", "it's"], "tenant": "default", "time_range": "5m", "writer_type": ["trace", "log"]},
)
BETWEEN = "'2026-11-28T11:00:00.000Z' AND '2026-11-28T12:00:00.000Z'"


@pytest.mark.parametrize(
    "statement, expected",
    [
        ("$__timeFilter(timestamp)", f"timestamp BETWEEN {BETWEEN}"),
        ("$__timeFrom()::timestamptz", "'2026-11-28T11:00:00.000Z'::timestamptz"),
        ("$__timeTo()", "'2026-11-28T12:00:00.000Z'"),
        ("interval '$__interval_ms ms', '$__interval'", "interval '30000 ms', '30000ms'"),
        ("tenant = ${tenant:sqlstring}", "tenant = 'default'"),
        ("service IN (${service:sqlstring})", "service IN ('a','it''s')"),
        ("$1 and pg_size_pretty(1)", "$1 and pg_size_pretty(1)"),
    ],
)
def test_sql(statement: str, expected: str) -> None:
    assert SHOWN.sql(statement) == expected


@pytest.mark.parametrize("statement", ["$__timeGroup(a, b)", "$__timeFilter()", "$unknown", "${service:csv}"])
def test_what_is_not_known_is_refused(statement: str) -> None:
    with pytest.raises(ValueError):
        SHOWN.sql(statement)


def test_times_are_those_of_utc() -> None:
    east = timezone(timedelta(hours=9))
    assert Shown(END.astimezone(east), END, SHOWN.step).sql("$__timeFrom()") == "'2026-11-28T12:00:00.000Z'"


@pytest.mark.parametrize(
    "expr, expected",
    [
        ("rate(a[$__rate_interval])", "rate(a[60000ms])"),  # four scrapes of 15 s; more than a step and a scrape
        ("rate(a[$time_range])", "rate(a[5m])"),
        ("a[$__range]", "a[3600000ms]"),
        ('a{w=~"$writer_type"}', 'a{w=~"(trace|log)"}'),
        ('a{w=~"$tenant"}', 'a{w=~"default"}'),
    ],
)
def test_promql(expr: str, expected: str) -> None:
    assert SHOWN.promql(expr) == expected


def test_a_dashboard_is_opened_with_its_defaults() -> None:
    listed = [
        {"name": "prometheus", "type": "datasource"},
        {"name": "service", "type": "query", "query": "SELECT 1"},
        {"name": "writer_type", "type": "custom", "current": {"value": "$__all"}, "allValue": ".*"},
        {"name": "time_range", "type": "interval", "current": {"value": "5m"}},
    ]
    found = chosen({"templating": {"list": listed}}, lambda statement: [statement])
    assert found == {"service": ["SELECT 1"], "writer_type": ".*", "time_range": "5m"}


def test_rows_over_time_are_series() -> None:
    later = END + timedelta(minutes=1)
    named = Table(["time", "metric", "calls"], [(END, "a", 1), (END, "b", None), (later, "a", 2)])
    assert [(one.name, one.values) for one in named.over_time()] == [("a", (1, 2))]
    wide = Table(["time", "p50", "p95"], [(END, 1, 2), (later, 3, None)])
    assert [(one.name, one.values) for one in wide.over_time()] == [("p50", (1, 3)), ("p95", (2,))]
    assert wide.over_time()[0].times == (END.timestamp(), later.timestamp())
