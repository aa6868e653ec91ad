"""What rollups must say, computed in Python from the rows themselves: written from docs/schema.md, not from their SQL."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Literal

import psycopg
import pytest

Row = dict[str, Any]
Key = tuple[Any, ...]
Grain = Literal["hourly", "daily"]

BANDS = (0, 32_000, 100_000, 128_000, 199_999, 200_000, 256_000, 272_000, 512_000, 524_288)
QUANTILE_ERROR = 0.0217
"""docs/schema.md: how far a percentile is from the value of that rank, at most."""
ZERO_MS = 1e-6
"""What is at most this long is told as about this long."""

TRACE_KEYS = ("service_name", "span_name", "span_kind", "is_entry")
USAGE_KEYS = ("service_name", "environment", "provider", "operation", "request_model", "response_model", "service_tier")
SERIES_KEYS = ("service_name", "metric_name", "series_id")


def read(connection: psycopg.Connection, table: str) -> list[Row]:
    """All rows of a table or view."""
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        return cursor.execute(f"SELECT * FROM {table}".encode()).fetchall()


def bucket(moment: datetime, grain: Grain) -> datetime:
    """The hour, or the day, of UTC."""
    floor = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return floor if grain == "hourly" else floor.replace(hour=0)


def groups(rows: Iterable[Row], grain: Grain, key: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    """Rows by tenant, bucket and key."""
    found: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["tenant"], bucket(row["timestamp"], grain), *key(row)].append(row)
    return found


def total(values: Iterable[Any]) -> Any:
    """As SQL sums: NULL of nothing."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def finite_total(values: Iterable[float | None]) -> float | None:
    """Of doubles only what is finite and below 1e290 is summed."""
    summed: float | None = total(value for value in values if value is not None and abs(value) < 1e290)
    return summed


def least(values: list[float]) -> float | None:
    """NaN is the greatest of all, as in PostgreSQL."""
    return min(values, key=lambda value: (math.isnan(value), value)) if values else None


def greatest(values: list[float]) -> float | None:
    """See `least`."""
    return max(values, key=lambda value: (math.isnan(value), value)) if values else None


def distribution(prefix: str, values: list[float]) -> Row:
    """Least, greatest, and the values of rank p."""
    ranked = sorted(values, key=lambda value: (math.isnan(value), value))
    ranks = {p: ranked[max(math.ceil(p / 100 * len(ranked)), 1) - 1] if ranked else None for p in (50, 95, 99)}
    return {
        f"{prefix}_min": least(values),
        f"{prefix}_max": greatest(values),
        **{f"{prefix}_p{p}": value for p, value in ranks.items()},
    }


def trace_metrics(rows: Iterable[Row], grain: Grain) -> dict[Key, Row]:
    """By key what the columns must say."""
    expected = {}
    for key, spans in groups(rows, grain, lambda row: tuple(row[name] for name in TRACE_KEYS)).items():
        timed = [span for span in spans if span["duration_ms"] is not None]
        expected[key] = {
            "span_count": len(spans),
            "error_count": sum(span["status_code"] == 2 for span in spans),
            "timed_count": len(timed),
            "duration_ns_sum": total(span["duration_ns"] for span in timed),
            **distribution("duration_ms", [span["duration_ms"] for span in timed]),
        }
    return expected


def llm_usage(rows: Iterable[Row], grain: Grain) -> dict[Key, Row]:
    """By key what the columns must say."""

    def key_of(row: Row) -> Key:
        band = max(band for band in BANDS if band == 0 or (row["input_tokens"] or 0) > band)
        return (*(row[name] for name in USAGE_KEYS), band)

    expected = {}
    billed = (row for row in rows if row["usage_role"] in ("call", "carrier"))
    for key, spans in groups(billed, grain, key_of).items():
        calls = [span for span in spans if span["usage_role"] == "call"]
        timed = [call for call in calls if call["duration_ms"] is not None]
        first = [call["ttft_ms"] for call in calls if call["ttft_ms"] is not None]
        tokens = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
        expected[key] = {
            "call_count": len(calls),
            "error_count": sum(call["status_code"] == 2 for call in calls),
            "unreported_count": sum(call["input_tokens"] is None and call["output_tokens"] is None for call in calls),
            **{name: total(span[name] for span in spans) for name in tokens},
            "reported_cost_usd": finite_total(span["reported_cost_usd"] for span in spans),
            "timed_count": len(timed),
            "duration_ns_sum": total(call["duration_ns"] for call in timed),
            **distribution("duration_ms", [call["duration_ms"] for call in timed]),
            "ttft_count": len(first),
            "ttft_ms_sum": finite_total(first),
            **distribution("ttft_ms", first),
        }
    return expected


def metric_stats(rows: Iterable[Row], grain: Grain) -> dict[Key, Row]:
    """By key what the columns must say."""
    expected = {}
    for key, points in groups(rows, grain, lambda row: tuple(row[name] for name in SERIES_KEYS)).items():
        valued = sorted((p for p in points if p["value"] is not None), key=lambda p: (p["timestamp"], p["value"]))
        measured = sorted((p for p in points if p["count"] is not None), key=lambda p: (p["timestamp"], p["count"]))
        values = [point["value"] for point in valued]
        expected[key] = {
            "point_count": len(points),
            "value_count": len(valued),
            "value_sum": finite_total(values),
            "value_min": least(values),
            "value_max": greatest(values),
            "first_value": [valued[0]["timestamp"].timestamp(), values[0]] if valued else None,
            "last_value": [valued[-1]["timestamp"].timestamp(), values[-1]] if valued else None,
            "measurement_count": total(point["count"] for point in measured),
            "measurement_sum": finite_total(point["sum"] for point in measured),
            "measurement_min": least([point["min"] for point in points if point["min"] is not None]),
            "measurement_max": greatest([point["max"] for point in points if point["max"] is not None]),
            "last_measurement": (
                [measured[-1]["timestamp"].timestamp(), measured[-1]["count"], measured[-1]["sum"]] if measured else None
            ),
        }
    return expected


EXPECTED: dict[str, tuple[str, Callable[[Iterable[Row], Grain], dict[Key, Row]], tuple[str, ...], tuple[Grain, ...]]] = {
    "trace_metrics": ("llm_traces", trace_metrics, TRACE_KEYS, ("hourly", "daily")),
    "llm_usage": ("llm_traces", llm_usage, (*USAGE_KEYS, "input_band"), ("hourly", "daily")),
    "metric_stats": ("llm_metrics", metric_stats, SERIES_KEYS, ("hourly",)),
}


def assert_rollups_say_what_the_rows_say(connection: psycopg.Connection, ever: dict[str, list[Row]] | None = None) -> int:
    """Every column of every row of every rollup. Returns how many were compared. `ever`: rows by table, if some are gone."""
    compared = 0
    for name, (table, compute, keys, grains) in EXPECTED.items():
        rows = ever[table] if ever is not None else read(connection, table)
        for grain in grains:
            expected = compute(rows, grain)
            found = read(connection, f"{name}_{grain}")
            actual = {(row["tenant"], row["bucket"].astimezone(UTC), *(row[key] for key in keys)): row for row in found}
            assert len(actual) == len(found), f"{name}_{grain} has two rows of one key"
            assert actual.keys() == expected.keys(), f"{name}_{grain}"
            for key, row in expected.items():
                _compare(f"{name}_{grain} {key}", row, actual[key])
            compared += len(expected)
    return compared


def _like(value: float) -> Any:
    """Sums of doubles depend on their order."""
    return pytest.approx(value, rel=1e-9, abs=1e-6, nan_ok=True)


def _compare(where: str, expected: Row, actual: Row) -> None:
    for column, value in expected.items():
        got = actual[column]
        if value is None or got is None:
            assert got == value, f"{where}.{column}"
        elif isinstance(value, list):
            assert got == [member if member is None else _like(member) for member in value], f"{where}.{column}"
        elif "_p" in column:
            # An infinite value has the bucket of the largest that there is.
            told = min(max(value, ZERO_MS), 1e18) if not math.isnan(value) else 1e18
            assert got == pytest.approx(told, rel=QUANTILE_ERROR, abs=0), f"{where}.{column}"
        elif isinstance(value, float):
            assert float(got) == _like(value), f"{where}.{column}"
        else:
            assert got == value, f"{where}.{column}"
