"""What panels ask: PromQL and SQL, each of a data source that is a variable of the dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from grafana_foundation_sdk.builders.prometheus import Dataquery as PrometheusQuery
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${prometheus}")
POSTGRES = DataSourceRef(type_val="grafana-postgresql-datasource", uid="${postgres}")


@dataclass(frozen=True, slots=True)
class PromQL:
    """An expression; `legend` names its series, with `{{label}}` for values of labels."""

    expr: str
    legend: str = ""
    source = PROMETHEUS

    def over_time(self, ref_id: str) -> Builder[Dataquery]:
        """Its values over the range that is shown."""
        return self._query(ref_id).range()

    def now(self, ref_id: str) -> Builder[Dataquery]:
        """Its values at the end of the range."""
        return self._query(ref_id).instant().format(PromQueryFormat.TABLE if not self.legend else PromQueryFormat.TIME_SERIES)

    def buckets(self, ref_id: str) -> Builder[Dataquery]:
        """Its values over time, `le` by `le`."""
        return self._query(ref_id).range().format(PromQueryFormat.HEATMAP)

    def _query(self, ref_id: str) -> PrometheusQuery:
        return PrometheusQuery().datasource(PROMETHEUS).ref_id(ref_id).expr(self.expr).legend_format(self.legend)


@dataclass(frozen=True, slots=True)
class Sql:
    """A statement. Over time it gives a column `time`, in its order, numbers, and may give a text that names the series."""

    statement: str
    source = POSTGRES

    def over_time(self, ref_id: str) -> Builder[Dataquery]:
        """Its rows as series."""
        return _SqlQuery(ref_id, self.statement, "time_series")

    def now(self, ref_id: str) -> Builder[Dataquery]:
        """Its rows as a table."""
        return _SqlQuery(ref_id, self.statement, "table")

    buckets = now


Query = PromQL | Sql


class _SqlQuery(Builder[Dataquery]):
    """A query of Grafana's PostgreSQL data source, for which the SDK has no builder."""

    def __init__(self, ref_id: str, statement: str, form: str) -> None:
        self._fields: dict[str, Any] = {
            "datasource": POSTGRES.to_json(),
            "editorMode": "code",
            "format": form,
            "rawQuery": True,
            "rawSql": dedent(statement).strip(),
            "refId": ref_id,
        }

    def build(self) -> Dataquery:
        """The query."""
        return UnknownDataquery(self._fields)
