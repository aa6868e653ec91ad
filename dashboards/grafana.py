"""What Grafana makes of a dashboard's queries: variables put in, macros of its data sources expanded, answers as tables.

For tests and pictures, which have no Grafana.
"""

from __future__ import annotations

import json
import math
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::(\w+))?\}|([a-zA-Z_]\w*))")
_MACRO = re.compile(r"\$(__\w+)\(([^)]*)\)")
"""As Grafana finds them: an argument holds no parenthesis."""

Values = str | Sequence[str]


@dataclass(frozen=True, slots=True)
class Shown:
    """The range that is shown. `step` is the distance of its points, `scrape` that of Prometheus' samples."""

    begin: datetime
    end: datetime
    step: timedelta
    scrape: timedelta = timedelta(seconds=15)
    variables: Mapping[str, Values] = field(default_factory=dict)

    def promql(self, expr: str) -> str:
        """An expression as Prometheus gets it."""
        rate = max(self.step + self.scrape, 4 * self.scrape)
        given = {
            "__rate_interval": _duration(rate),
            "__interval": _duration(self.step),
            "__range": _duration(self.end - self.begin),
        }
        return self._filled(expr, given)

    def sql(self, statement: str) -> str:
        """A statement as PostgreSQL gets it."""
        milliseconds = str(self.step // timedelta(milliseconds=1))
        filled = self._filled(statement, {"__interval": _duration(self.step), "__interval_ms": milliseconds})
        return _MACRO.sub(lambda found: self._macro(found[1], found[2].strip()), filled)

    def _macro(self, name: str, argument: str) -> str:
        begin, end = (f"'{time.astimezone(UTC).isoformat(timespec='milliseconds')[:-6]}Z'" for time in (self.begin, self.end))
        if name == "__timeFilter" and argument:
            return f"{argument} BETWEEN {begin} AND {end}"
        if name == "__timeFrom":
            return begin
        if name == "__timeTo":
            return end
        raise ValueError(f"${name} is no macro that is known here")

    def _filled(self, text: str, given: Mapping[str, str]) -> str:
        def value(found: re.Match[str]) -> str:
            name = found[1] or found[3]
            if name in given:
                return given[name]
            if name.startswith("__"):
                return found[0]  # a macro
            if name not in self.variables:
                raise ValueError(f"${name} is no variable of the dashboard")
            return _formatted(self.variables[name], found[2])

        return _VARIABLE.sub(value, text)


def _formatted(values: Values, form: str | None) -> str:
    several = [values] if isinstance(values, str) else list(values)
    if form == "sqlstring":
        return ",".join("'" + value.replace("'", "''") + "'" for value in several)
    if form is not None:
        raise ValueError(f"{form} is no format of variables that is known here")
    return several[0] if len(several) == 1 else f"({'|'.join(several)})"


def _duration(length: timedelta) -> str:
    return f"{max(1, length // timedelta(milliseconds=1))}ms"


def chosen(dashboard: Mapping[str, Any], options: Callable[[str], list[str]]) -> dict[str, Values]:
    """The variables of a dashboard as it is opened. `options` gives what a query of a variable gives: all are chosen."""
    found: dict[str, Values] = {}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            found[variable["name"]] = options(variable["query"])
        elif variable["type"] != "datasource":
            current = variable["current"]["value"]
            found[variable["name"]] = variable["allValue"] if current == "$__all" else current
    return found


class Series(NamedTuple):
    """A line: seconds since 1970, and values. `labels` are its own in Prometheus."""

    name: str
    times: tuple[float, ...]
    values: tuple[float, ...]
    labels: Mapping[str, str]

    @classmethod
    def of(cls, name: str, points: Sequence[tuple[float, float]], labels: Mapping[str, str]) -> Series:
        """From pairs of time and value."""
        return cls(name, tuple(time for time, _ in points), tuple(value for _, value in points), labels)


class Prometheus:
    """A Prometheus by its HTTP API."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def ask(self, target: Mapping[str, Any], shown: Shown) -> list[Series]:
        """The answer to one query of a panel. Raises ValueError with Prometheus' words when it is not understood."""
        expr, legend = shown.promql(target["expr"]), target.get("legendFormat", "")
        if target.get("range"):
            step = max(1.0, shown.step.total_seconds())
            times = {"start": shown.begin.timestamp(), "end": shown.end.timestamp(), "step": step}
            found = self._get("query_range", query=expr, **times)
        else:
            found = self._get("query", query=expr, time=shown.end.timestamp())
        return [_series(one, legend) for one in found]

    def _get(self, what: str, **parameters: object) -> list[dict[str, Any]]:
        url = f"{self.url}/api/v1/{what}"
        try:
            with urllib.request.urlopen(url, urllib.parse.urlencode(parameters).encode(), timeout=30) as reply:  # noqa: S310  loopback or the caller's
                answer = json.load(reply)
        except urllib.error.HTTPError as error:
            raise ValueError(f"{parameters['query']}: {json.load(error)['error']}") from error
        if answer["data"]["resultType"] == "scalar":
            return [{"metric": {}, "value": answer["data"]["result"]}]
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result


def _series(found: Mapping[str, Any], legend: str) -> Series:
    labels: dict[str, str] = found["metric"]
    points = [(float(time), float(value)) for time, value in found.get("values", [found.get("value")])]
    name = re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda part: labels.get(part[1], ""), legend)
    return Series.of(name, [point for point in points if not math.isnan(point[1])], labels)


class Table(NamedTuple):
    """Rows of a statement."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def over_time(self) -> list[Series]:
        """As series: by the column `metric`, or by the names of the number columns."""
        place = self.columns.index("time")
        named = self.columns.index("metric") if "metric" in self.columns else None
        numbers = [number for number in range(len(self.columns)) if number not in (place, named)]
        found: dict[str, list[tuple[float, float]]] = {}
        for row in self.rows:
            for number in numbers:
                if row[number] is not None:
                    name = self.columns[number] if named is None else str(row[named])
                    found.setdefault(name, []).append((row[place].timestamp(), float(row[number])))
        return [Series.of(name, points, {}) for name, points in found.items()]
