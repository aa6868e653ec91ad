"""`report`: one HTML page that shows how the figures of `bench` went over a month, a quarter or a year."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Literal

from llm_observatory.errors import ConfigError
from llm_observatory.operate.bench.report import Measurement, Report, read

Period = Literal["weekly", "monthly", "quarterly", "yearly"]
DAYS: dict[Period, int] = {"weekly": 7, "monthly": 31, "quarterly": 92, "yearly": 366}

_WIDTH, _HEIGHT, _EDGE = 360, 80, 6
_STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;text-align:right;border-bottom:1px solid #ddd}"
    "td:first-child,th:first-child{text-align:left}svg{vertical-align:middle}.missed{color:#b00020;font-weight:600}"
)


def runs(folder: Path, period: Period, now: datetime) -> list[Report]:
    """The files of `bench … --json` in a folder that were written in the period, the oldest first. ConfigError for none."""
    since = now - timedelta(days=DAYS[period])
    found = [report for report in map(read, sorted(folder.glob("*.json"))) if datetime.fromisoformat(report.when) >= since]
    if not found:
        raise ConfigError(
            [f"{folder}: no file of `bench … --json` of the last {DAYS[period]} days: run_benchmark.sh writes them"]
        )
    return sorted(found, key=lambda report: report.when)


def page(found: Sequence[Report], period: Period, now: datetime) -> str:
    """The page, whole: no script, nothing from elsewhere."""
    kinds = dict.fromkeys(report.kind for report in found)
    parts = "".join(_section(kind, [report for report in found if report.kind == kind]) for kind in kinds)
    title = f"LLM Observatory: performance, {period}, to {now.astimezone(UTC):%Y-%m-%d}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"<h1>{escape(title)}</h1><p>{len(found)} runs. Change is of the last run against the first.</p>{parts}</html>\n"
    )


def _section(kind: str, found: Sequence[Report]) -> str:
    names = dict.fromkeys(one.name for report in found for one in report.measurements)
    rows = "".join(_row(name, found) for name in names)
    last = found[-1]
    facts = ", ".join(f"{name} {value}" for name, value in (*last.machine.items(), *last.versions.items()))
    return (
        f"<h2>bench {escape(kind)}</h2><p>Last run {escape(last.when)}: {escape(facts)}</p>"
        f"<table><tr><th>metric</th><th>first</th><th>last</th><th>change</th><th>bar</th><th>over time</th></tr>{rows}</table>"
    )


def _row(name: str, found: Sequence[Report]) -> str:
    series = [(datetime.fromisoformat(report.when), one) for report in found for one in report.measurements if one.name == name]
    first, last = series[0][1], series[-1][1]
    change = f"{last.value / first.value - 1:+.1%}" if first.value and len(series) > 1 else ""
    missed = ' class="missed"' if last.holds is False else ""
    cells = [f"{first.value:,.4g}", f"{last.value:,.4g}", change, "" if last.bar is None else f"{last.bar:,.4g}"]
    return (
        f"<tr{missed}><td>{escape(name)} ({escape(last.unit)})</td>{''.join(f'<td>{cell}</td>' for cell in cells)}"
        f"<td>{_plot(series)}</td></tr>"
    )


def _plot(series: Sequence[tuple[datetime, Measurement]]) -> str:
    """A line over time from zero to the largest value or bar; the bar is dashed."""
    begin, end = series[0][0].timestamp(), series[-1][0].timestamp()
    bar = series[-1][1].bar
    top = max([one.value for _, one in series] + [bar or 0]) or 1

    def place(when: datetime, value: float) -> str:
        across = (when.timestamp() - begin) / (end - begin) if end > begin else 0.5
        return f"{_EDGE + across * (_WIDTH - 2 * _EDGE):.1f},{_height(value, top):.1f}"

    points = [place(when, one.value) for when, one in series]
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="3"/>' for x, y in (point.split(",") for point in points))
    line = "" if bar is None else f'<path d="M0 {_height(bar, top):.1f}H{_WIDTH}" stroke="#b00020" stroke-dasharray="4"/>'
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" fill="#1f5fa8">{line}'
        f'<polyline points="{" ".join(points)}" fill="none" stroke="#1f5fa8"/>{dots}</svg>'
    )


def _height(value: float, top: float) -> float:
    return _HEIGHT - _EDGE - value / top * (_HEIGHT - 2 * _EDGE)
