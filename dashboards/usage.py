"""SQL about calls of language models: the query service's own pieces, with Grafana's macros in place of its parameters.

A range of up to a day is read from the spans, to the second; of up to a month from the sums by hour, in whole hours; a longer
one from the sums by day, in whole days (of UTC). What the rollups do not tell apart (agent, user, trace) is always read from
the spans. Corrections (ADR 0043) are added from rows and sums of their own, as the query service does: each call counts once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files

from dashboards.queries import Sql
from llm_observatory.tables.rollups import (
    LLM_USAGE,
    ROLLED_UP_DIMENSIONS,
    USAGE_CORRECTIONS_ROLLUP,
    USAGE_DIMENSIONS,
    USAGE_ROLLUPS,
    Grain,
    RollupView,
)

_FOLDER = files("llm_observatory.query.usage") / "sql"
_STATE, _CORRECTED = ({column.name: column.raw for column in rollup.state} for rollup in (LLM_USAGE, USAGE_CORRECTIONS_ROLLUP))
_BAND = next(column.raw for column in LLM_USAGE.keys if column.name == "input_band")
_RATE_KEYS = 5

TENANT = "${tenant:sqlstring}"
FROM, TO = "$__timeFrom()::timestamptz", "$__timeTo()::timestamptz"
ORIGIN = "'2000-01-01 00:00:00+00'::timestamptz"
CHOSEN = "service_name IN (${service:sqlstring}) AND coalesce(environment, '') IN (${environment:sqlstring})"
"""The variables of the dashboard, as a condition on spans and on rows of rollups."""

_DAY, _MONTH = "interval '1 day'", "interval '31 days'"
_LENGTH = f"{TO} - {FROM}"
_STEP = "interval '$__interval_ms ms'"
_GRAINS: tuple[tuple[Grain, str, str], ...] = (
    ("hourly", "interval '1 hour'", f"{_LENGTH} > {_DAY} AND {_LENGTH} <= {_MONTH}"),
    ("daily", _DAY, f"{_LENGTH} > {_MONTH}"),
)
"""Of rollups: how long a bucket is, and when they are read."""

COST = """sum(llm_cost_usd(
    input_tokens, fresh_input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
    input_usd, cache_read_usd, cache_write_usd, output_usd
))"""
TOKENS = ("input_tokens", "fresh_input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
UNPRICED = "coalesce(sum(call_count - unreported_count) FILTER (WHERE input_usd IS NULL), 0)"


def percentile(buckets: str, part: float) -> str:
    """In milliseconds, of all rows of a group."""
    return f"log_histogram_quantile(log_histogram_merge({buckets}), {part})"


def usage(
    columns: Mapping[str, str],
    *,
    needs: Sequence[str],
    by: Sequence[str] = (),
    stepped: bool = False,
    priced: bool = False,
    spans: Mapping[str, str] | None = None,
    more: Mapping[str, str] | None = None,
    end: str = "",
) -> Sql:
    """One row for each group `by` dimensions of USAGE_DIMENSIONS; `stepped` one for each step of the panel, too.

    `columns` are aggregates over state columns of the rollup (`needs`), and over rates where `priced`. Only spans have what
    `spans`, expressions by which sums are grouped, and `more`, aggregates beside those of the rollup, ask for. `end` follows
    GROUP BY.
    """
    groups = {name: USAGE_DIMENSIONS[name] for name in by} | dict(spans or {})
    rolled_up = set(by) <= set(ROLLED_UP_DIMENSIONS) and not spans and not more
    parts = [
        _rows(source, groups, {name: state[name] for name in needs} | dict(more or {}), stepped=stepped, only_short=rolled_up)
        for source, state in (("raw_part", _STATE), ("correction_part", _CORRECTED))
    ]
    if rolled_up:
        parts += [
            _sums(RollupView(rollup, grain).name, each, when, groups, needs, stepped)
            for grain, each, when in _GRAINS
            for rollup in USAGE_ROLLUPS
        ]
    text = "WITH part AS MATERIALIZED (\n" + "UNION ALL\n".join(parts) + ")"
    if priced:
        text += f",\n{_text('rates')}"
    selected = ['step AS "time"'] * stepped
    selected += [f"coalesce(nullif(\"{name}\", ''), '(not said)') AS \"{'metric' if stepped else name}\"" for name in groups]
    selected += [f'{of} AS "{name}"' for name, of in columns.items()]
    text += "\nSELECT " + ",\n       ".join(selected) + f"\nFROM {'priced' if priced else 'part'}\n"
    keys = ["step"] * stepped + [f'"{name}"' for name in groups]
    if keys:
        text += f"GROUP BY {', '.join(keys)}\n"
    return Sql((text + (end or ("ORDER BY step" if stepped else ""))).replace("%(tenant)s", TENANT))


def _text(name: str) -> str:
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def _rows(source: str, groups: Mapping[str, str], state: Mapping[str, str], *, stepped: bool, only_short: bool) -> str:
    keys = ", ".join(str(place) for place in range(1, 3 + len(groups) + _RATE_KEYS))
    return _text(source).format(
        step=f"date_bin({_STEP}, timestamp, {ORIGIN})" if stepped else "NULL::timestamptz",
        groups="".join(f'{of} AS "{name}", ' for name, of in groups.items()),
        input_band=_BAND,
        state=", ".join(f"{of} AS {name}" for name, of in state.items()),
        start=FROM,
        end=TO,
        conditions=f"AND {CHOSEN}" + f" AND {_LENGTH} <= {_DAY}" * only_short,
        keys=keys,
    )


def _sums(source: str, grain: str, when: str, groups: Mapping[str, str], needs: Sequence[str], stepped: bool) -> str:  # noqa: FBT001
    return _text("rollup_part").format(
        step=f"date_bin(greatest({_STEP}, {grain}), bucket, {ORIGIN})" if stepped else "NULL::timestamptz",
        groups="".join(f'{of} AS "{name}", ' for name, of in groups.items()),
        state=", ".join(needs),
        source=source,
        start=f"date_bin({grain}, {FROM}, {ORIGIN})",
        end=TO,
        conditions=f"AND {CHOSEN} AND {when}",
    )
