"""What spans cost, in US dollars: the one place where searches ask for it."""

from __future__ import annotations

from importlib.resources import files

from llm_observatory.storage.compose import SQL, Composed, named
from llm_observatory.tables.rollups import LLM_USAGE

_BAND = SQL(next(column.raw for column in LLM_USAGE.keys if column.name == "input_band"))
_RATES = named(files("llm_observatory.query.usage") / "sql", "rates")
_COSTED = named(files(__package__) / "sql", "costed_spans")


def costed(spans: Composed) -> Composed:
    """Rows of timestamp, timestamp_nanos, trace_id, span_id and value, of whole rows of spans. Needs `tenant`."""
    return _COSTED.format(input_band=_BAND, rates=_RATES, spans=spans)
