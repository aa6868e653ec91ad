"""Our metrics, as /metrics has them, in the form that OpenTelemetry's exporter sends.

Names stay as they are, so that a metric has one name wherever it is looked at; counters are sums since the process began.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator

import psutil
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import Metric as Family
from prometheus_client.samples import Sample

from llm_observatory import __version__
from llm_observatory.metrics import REGISTRY, declared

_UNITS = {"seconds": "s", "seconds since 1970": "s", "bytes": "By"}
"""In UCUM; what is counted is 1."""
_BEGAN_NS = int(psutil.Process().create_time() * 1e9)
_CUMULATIVE = AggregationTemporality.CUMULATIVE


def exported_metrics(resource: Resource) -> MetricsData:
    """All metrics of the registry, as of now."""
    now = time.time_ns()
    units = {one.name: _UNITS.get(one.unit, "1") for one in declared()}
    found = [metric for family in REGISTRY.collect() for metric in _metrics(family, units, now)]
    scope = ScopeMetrics(InstrumentationScope("llm_observatory", __version__), found, "")
    return MetricsData([ResourceMetrics(resource, [scope], resource.schema_url)])


def _metrics(family: Family, units: dict[str, str], now: int) -> Iterator[Metric]:
    """One; none of a family without series."""
    if not family.samples:
        return
    name = family.samples[0].name if family.type != "histogram" else family.name
    data: Sum | Gauge | Histogram
    match family.type:
        case "histogram":
            data = Histogram(list(_distributions(family, now)), _CUMULATIVE)
        case "counter" | "unknown":
            data = Sum(list(_numbers(family.samples, now)), _CUMULATIVE, is_monotonic=True)
        case _:
            data = Gauge(list(_numbers(family.samples, now)))
    yield Metric(name, family.documentation, units.get(name, "1"), data)


def _numbers(samples: Iterable[Sample], now: int) -> Iterator[NumberDataPoint]:
    for sample in samples:
        yield NumberDataPoint(dict(sample.labels), _BEGAN_NS, now, sample.value)


def _distributions(family: Family, now: int) -> Iterator[HistogramDataPoint]:
    """A point for each set of labels. Prometheus counts what is at most a bound, OpenTelemetry what is between two."""
    for labels, samples in _by_labels(family).items():
        upto = sorted((float(sample.labels["le"]), int(sample.value)) for sample in samples if sample.name.endswith("_bucket"))
        counts = [count for _, count in upto]
        total = next(sample.value for sample in samples if sample.name.endswith("_sum"))
        yield HistogramDataPoint(
            attributes=dict(labels),
            start_time_unix_nano=_BEGAN_NS,
            time_unix_nano=now,
            count=counts[-1],
            sum=total,
            bucket_counts=[count - before for before, count in zip([0, *counts], counts, strict=False)],
            explicit_bounds=[bound for bound, _ in upto if not math.isinf(bound)],
            min=None,  # type: ignore[arg-type]  # not known; the exporter leaves both out
            max=None,  # type: ignore[arg-type]
        )


def _by_labels(family: Family) -> dict[tuple[tuple[str, str], ...], list[Sample]]:
    found: dict[tuple[tuple[str, str], ...], list[Sample]] = {}
    for sample in family.samples:
        labels = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
        found.setdefault(labels, []).append(sample)
    return found
