"""What is chosen at the top of a dashboard."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import (
    CustomVariable,
    DatasourceVariable,
    IntervalVariable,
    QueryVariable,
    TextBoxVariable,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import VariableModel, VariableOption, VariableRefresh

from dashboards.queries import POSTGRES
from llm_observatory.metrics import LABEL_VALUES

Variable = Builder[VariableModel]

ALL = VariableOption(text="All", value="$__all")


def prometheus() -> Variable:
    """The data source that scrapes the service."""
    return DatasourceVariable("prometheus").label("Prometheus").type("prometheus")


def postgres() -> Variable:
    """The data source that reads the service's database."""
    return DatasourceVariable("postgres").label("PostgreSQL").type("grafana-postgresql-datasource")


def time_range() -> Variable:
    """Over how long single numbers and shares look back; graphs show the range of the dashboard."""
    made = IntervalVariable("time_range").label("Numbers over the last").values("5m,15m,1h,6h,24h,7d")
    return made.auto(False).current(VariableOption(text="5m", value="5m"))


def writer_type() -> Variable:
    """Of writes: by which writer. `late`, the lane of late rows, has buffers and flushes; its writes are of their writers."""
    values = dict.fromkeys((*LABEL_VALUES["writer_type"], *LABEL_VALUES["storage_flushes_total writer_type"]))
    return _choice("writer_type", "Writer", ",".join(values))


def repository() -> Variable:
    """Of queries: by which repository."""
    return _choice("repository", "Repository", "trace_repository,metric_repository,log_repository,usage_repository")


def _choice(name: str, label: str, values: str) -> Variable:
    made = CustomVariable(name).label(label).values(values).multi(True).include_all(True).all_value(".*")
    return made.current(ALL)


def constant(name: str, label: str, value: str) -> Variable:
    """A number that this service's settings fix and no metric tells."""
    return TextBoxVariable(name).label(label).default_value(value).current(VariableOption(text=value, value=value))


def from_database(name: str, label: str, statement: str) -> Variable:
    """Values of a column, all of them at first."""
    made = QueryVariable(name).label(label).datasource(POSTGRES).query(statement)
    return made.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).multi(True).include_all(True).current(ALL)
