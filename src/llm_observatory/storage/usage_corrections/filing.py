"""The statement that files corrections, made of the declaration of what rollups sum up: usage is reckoned in one way only."""

from __future__ import annotations

from importlib.resources import files

from psycopg import sql

from llm_observatory.storage.compose import named
from llm_observatory.tables import USAGE_CORRECTIONS
from llm_observatory.tables.rollups import SIGNED_USAGE, RollupColumn
from llm_observatory.tables.usage import BAND, JUDGED, NAMES_OF_A_MODEL, PROVIDER_OF_A_MODEL

_FILE = named(files("llm_observatory.storage") / "sql", "file_usage_corrections")


def _signed(column: RollupColumn) -> str:
    if column.type != "int8[]":
        return f"used.sign * used.{column.name}"
    # Of one span: its bucket, once less. Carriers have none.
    return (
        f"CASE WHEN array_lower(used.{column.name}, 1) IS NOT NULL"
        f" THEN format('[%1$s:%1$s]={{%2$s}}', array_lower(used.{column.name}, 1), used.sign)::int8[] END"
    )


def _value(name: str) -> str:
    signed = {column.name: _signed(column) for column in SIGNED_USAGE} | JUDGED
    if name in signed:
        return signed[name]
    if name in (PROVIDER_OF_A_MODEL, *NAMES_OF_A_MODEL):
        # A call that names no model costs what its carrier's model does.
        named_by = ", ".join(f"spans.{model}" for model in NAMES_OF_A_MODEL)
        return f"CASE WHEN used.verdict = 'completed' AND num_nonnulls({named_by}) = 0 THEN used.{name} ELSE spans.{name} END"
    return f"spans.{name}"


def statement() -> sql.Composed:
    """INSERT of what was decided; the arrays `traces`, `spans`, `verdicts` and `others` go together."""
    state = [f"{column.raw} AS {column.name}" for column in SIGNED_USAGE]
    state += [f"max({name}) AS {name}" for name in (PROVIDER_OF_A_MODEL, *NAMES_OF_A_MODEL)]
    names = [column.name for column in USAGE_CORRECTIONS.columns]
    return _FILE.format(
        band=_text(BAND.raw),
        state=_text(", ".join(state)),
        columns=sql.SQL(", ").join(map(sql.Identifier, names)),
        values=_text(", ".join(map(_value, names))),
    )


def _text(declared: str) -> sql.SQL:
    return sql.SQL(declared.replace("%", "%%"))  # made of declared names
