"""Histograms are folded into distributions as they are read, whatever their number."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncGenerator
from typing import Any

from llm_observatory.api.v1.metric_query_service_pb2 import Aggregation
from llm_observatory.codec.reference.fields import ENCODERS, NULL
from llm_observatory.codec.rows import Fields
from llm_observatory.query.metrics.query_range import Question, answer
from llm_observatory.query.metrics.repository import HISTOGRAMS_AT_ONCE, MetricRepository, Steps
from llm_observatory.query.metrics.series import CUMULATIVE, Metric
from llm_observatory.query.time_range import NANOSECONDS_PER_MICROSECOND, TimeRange
from tests.plugins.statements import Recorder

SERIES = bytes(16)
POINTS, BUCKETS = 4_000, 100
START_US = 1_700_000_000_000_000
WITHIN = TimeRange(START_US * NANOSECONDS_PER_MICROSECOND, (START_US + POINTS) * NANOSECONDS_PER_MICROSECOND)


class Streaming(Recorder):
    """A reader of one cumulative series, whose buckets grow by one measurement from point to point."""

    async def stream(self, statement: Any, parameters: Any, rows: int) -> AsyncGenerator[list[Fields], None]:
        del statement, parameters
        for first in range(0, POINTS, rows):
            yield [self._row(number) for number in range(first, min(first + rows, POINTS))]

    @staticmethod
    def _row(number: int) -> Fields:
        bounds = [float(bound) for bound in range(1, BUCKETS)]
        values = (
            ("uuid", SERIES), ("timestamptz", START_US + number), ("int2", 0), ("bool", number == 0), ("float8", None),
            ("float8", None), ("float8[]", bounds), ("int8[]", [number + 1] * BUCKETS), ("jsonb", None),
        )  # fmt: skip
        encoded = (NULL if value is None else ENCODERS[type_](value) for type_, value in values)
        return [None if field == NULL else field[4:] for field in encoded]


async def test_points_are_not_held() -> None:
    metric = Metric("m", "histogram", "s", "", CUMULATIVE, None)
    steps = Steps(WITHIN, None)
    asked = Question("t", metric, [], {SERIES: "all"}, steps, Aggregation.AGGREGATION_QUANTILE, 0.5)
    tracemalloc.start()
    try:
        found = await answer(MetricRepository(Streaming({})), asked)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    [(_, value)] = found["all"].items()
    assert value == BUCKETS / 2
    of_a_point = 2 * BUCKETS * 12
    assert most < 10 * HISTOGRAMS_AT_ONCE * of_a_point < POINTS * of_a_point / 5
