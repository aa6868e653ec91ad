"""How often an unexpected error is said."""

from __future__ import annotations

import structlog

from llm_observatory.otlp.refusal import UnexpectedErrors
from llm_observatory.pipeline.signal import TRACES


def test_one_traceback_a_second_and_the_number_of_those_left_out() -> None:
    times = [100.0, 100.0, 100.5, 100.99, 101.0, 101.5, 110.0, 120.0]
    clock = iter([99.0, *times])
    unexpected = UnexpectedErrors(lambda: next(clock))
    with structlog.testing.capture_logs() as events:
        for _ in times:
            unexpected.log(TRACES.name, RuntimeError())
    assert [event["suppressed"] for event in events] == [0, 3, 1, 0]
    assert all(isinstance(event["exc_info"], RuntimeError) for event in events)
