"""What benchmarks send: requests of known size, as many as are wanted, no two of the same bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random

from llm_observatory.operate.bench.data import conversations, points, records
from llm_observatory.operate.bench.data.template import Template

TEMPLATES = 8
"""Requests that are made; each is sent again and again with other ids and times."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """A kind of records. `signal` is traces, metrics or logs."""

    name: str
    signal: str
    description: str
    template: Callable[[Random, int], Template]
    """Makes one request of so many records."""


_ALL = (
    DataSet("spans-0.5k", "traces", "spans of LLM applications, 500 bytes each", conversations.template(0)),
    DataSet("spans-4k", "traces", "the same with prompts and completions, 4 KB each", conversations.template(4_000)),
    DataSet("spans-16k", "traces", "the same, 16 KB each", conversations.template(16_000)),
    DataSet("logs", "logs", "log records, half of them of a trace", records.template),
    DataSet("gauge", "metrics", "points of gauges", points.template("gauge")),
    DataSet("sum", "metrics", "points of counters", points.template("sum")),
    DataSet("histogram", "metrics", "points of histograms with 16 buckets", points.template("histogram")),
    DataSet("exponential-histogram", "metrics", "points of exponential histograms", points.template("exponential_histogram")),
    DataSet("summary", "metrics", "points of summaries with 5 quantiles", points.template("summary")),
)

DATA_SETS: Mapping[str, DataSet] = {data_set.name: data_set for data_set in _ALL}


def requests(data_set: DataSet, items: int, seed: int, clock: Callable[[], int] = time.time_ns) -> Iterator[bytes]:
    """Endless Export*ServiceRequests of `items` records. Ids are those of the seed, times those of the clock (nanoseconds)."""
    random = Random(f"{data_set.name} {items} {seed}")  # noqa: S311 - ids, no secrets
    templates = [data_set.template(random, items) for _ in range(TEMPLATES)]
    while True:
        for template in templates:
            yield template.stamped(random, clock())
