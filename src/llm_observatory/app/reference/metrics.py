"""docs/metrics-reference.md: made of the declaration in `metrics.py`, and of the rooms that name what labels can be.

Those are tables, rules, rollups, repositories.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import grpc

import llm_observatory.app.query_services  # noqa: F401 - imports every repository, whose methods are measured from then on
from llm_observatory import metrics
from llm_observatory.api.v1 import log_query_service_pb2 as logs
from llm_observatory.api.v1 import metric_query_service_pb2 as metric_queries
from llm_observatory.api.v1 import trace_query_service_pb2 as traces
from llm_observatory.api.v1 import usage_query_service_pb2 as usage
from llm_observatory.metrics import LABEL_VALUES, Declared, declared
from llm_observatory.tables import ROLLUP_VIEWS, TABLES
from llm_observatory.tables.rules import ODDITIES, REJECTIONS, REPAIRS

OPEN = {
    "codec_info version": (1, "one: the version of the codec in use"),
    "storage_replication_lag_seconds replica": (10, "`application_name` of each standby, at most `max_wal_senders`"),
}
"""Labels that others name: how many values there can be by PostgreSQL's defaults, and in words which."""

_HEAD = """\
# Metrics: reference

Made from `metrics.py` by `make reference`, and compared with it by `make check`. What to look at, and when to worry:
[metrics.md](metrics.md).

Beside these, `/metrics` has what prometheus_client measures of the process and of Python: `process_*`, `python_*`.
With every label at every value there are {series:,} series a process. A gauge that is read from the database is absent as long
as nothing is known; the unit of a plain count is 1.

| metric | type | unit | labels | meaning |
|---|---|---|---|---|
"""

_LABELS = """
## Labels

What a label can be; after a metric's name where that differs.

| label | values |
|---|---|
"""

_BUCKETS = """
## Buckets

Upper bounds, in the unit of the histogram; one more holds what is above.

| histogram | buckets |
|---|---|
"""


def values(metric: str, label: str) -> tuple[str, ...] | None:
    """What `label` of `metric` can be; None where others name it (OPEN). Raises KeyError for one that nobody declared."""
    if f"{metric} {label}" in OPEN:
        return None
    known = LABEL_VALUES | _named_elsewhere()
    return known[f"{metric} {label}"] if f"{metric} {label}" in known else known[label]


def _named_elsewhere() -> dict[str, tuple[str, ...]]:
    repositories, methods = _repositories()
    files = (logs, metric_queries, traces, usage)
    services = [service for file in files for service in file.DESCRIPTOR.services_by_name.values()]
    return {
        "otlp_records_rejected_total rule": tuple(REJECTIONS),
        "otlp_values_repaired_total rule": tuple(REPAIRS),
        "otlp_records_odd_total rule": tuple(ODDITIES),
        "table": tuple(table.name for table in TABLES),
        "rollup": tuple(view.name for view in ROLLUP_VIEWS),
        "repository": repositories,
        "storage_query_duration_seconds method": methods,
        "storage_query_results method": methods,
        "method": tuple(sorted(method.name for service in services for method in service.methods)),
        "code": tuple(code.name.lower() for code in grpc.StatusCode if code is not grpc.StatusCode.OK),
    }


def _repositories() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Each method of a repository has its series from the moment it is imported on."""
    pairs = list(metrics.QUERY_DURATION._metrics)  # noqa: SLF001 - the library shows no labels without values
    return tuple(sorted({repository for repository, _ in pairs})), tuple(sorted({method for _, method in pairs}))


def series(metric: Declared) -> int:
    """How many series it has with every label at every value; those of a histogram are its buckets, sum and count."""
    if {"repository", "method"} <= set(metric.labels):
        combinations = len(metrics.QUERY_DURATION._metrics)  # noqa: SLF001 - as above
    else:
        combinations = prod(_count(metric.name, label) for label in metric.labels)
    return combinations * (len(metric.buckets) + 3 if metric.type == "histogram" else 1)


def _count(metric: str, label: str) -> int:
    known = values(metric, label)
    return OPEN[f"{metric} {label}"][0] if known is None else len(known)


def page() -> str:
    """The whole page."""
    found = sorted(declared(), key=lambda metric: metric.name)
    rows = (f"| `{one.name}` | {one.type} | {one.unit} | {_quoted(one.labels)} | {one.help.rstrip('.')} |\n" for one in found)
    buckets = (f"| `{one.name}` | {', '.join(map(_number, one.buckets))} |\n" for one in found if one.buckets)
    head = _HEAD.format(series=sum(map(series, found)))
    return "".join([head, *rows, _LABELS, *_label_rows(found), _BUCKETS, *buckets])


def _label_rows(found: Sequence[Declared]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for metric in found:
        for label in metric.labels:
            known = values(metric.name, label)
            own = f"{metric.name} {label}" in LABEL_VALUES | _named_elsewhere() | OPEN
            name = f"`{label}` of `{metric.name}`" if own else f"`{label}`"
            seen[name] = OPEN[f"{metric.name} {label}"][1] if known is None else _quoted(known)
    for name, shown in sorted(seen.items()):
        yield f"| {name} | {shown} |\n"


def _number(bound: float) -> str:
    return f"{bound:,.0f}" if bound.is_integer() else f"{bound:g}"


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
