"""How fast each codec makes rows, as ratios to upb's own parsing of the same bytes.

One core, in turn within one run; of each request the best time counts, for noise only ever adds. upb's `FromString` makes a
message and nothing else: no rows, no documents, no ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, islice
from time import perf_counter, time_ns
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from llm_observatory import codec
from llm_observatory.codec import Implementation, Native, reference
from llm_observatory.errors import ConfigError
from llm_observatory.operate.bench.data import DATA_SETS, DataSet, requests
from llm_observatory.operate.bench.report import Measurement, Report

BAR = 0.8
"""Of upb's rate, for the native codec and BAR_ITEMS records a request."""

BAR_ITEMS = 512
BARRED = ("spans-0.5k", "logs", "gauge", "sum")

POOL = 8
"""Requests that are encoded in turn: one alone would stay in the caches."""

TURN_SECONDS = 0.05
"""Long enough that caches and heap are those of who has the turn."""

TERMS = codec.Terms(None, 86_400_000_000, 1024**2)
_MESSAGES: Mapping[str, Any] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}

Work = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Options:
    """What is measured, and for how many seconds each data set and size."""

    data_sets: Sequence[str] = tuple(DATA_SETS)
    items: Sequence[int] = (1, 32, 512)
    seconds: float = 1.0
    seed: int = 1


def implementations() -> dict[str, Implementation]:
    """Those that are installed, by name."""
    found: dict[str, Implementation] = {"reference": reference}
    with suppress(ConfigError):
        found["native"] = Native()
    return found


def run(options: Options, say: Callable[[str], None]) -> Report:
    """Measure everything."""
    codecs = implementations()
    if "native" not in codecs:
        say("the native codec is not installed (`make setup` builds it where cargo is): only the reference is measured")
    measurements: list[Measurement] = []
    for name in options.data_sets:
        for items in options.items:
            say(f"{name}, {items} a request")
            measurements += _measure(DATA_SETS[name], items, codecs, options)
    settings = {
        "data sets": ", ".join(options.data_sets),
        "items a request": ", ".join(map(str, options.items)),
        "seconds each": str(options.seconds),
        "seed": str(options.seed),
    }
    return Report("codec", settings, measurements)


def _measure(data_set: DataSet, items: int, codecs: Mapping[str, Implementation], options: Options) -> Iterator[Measurement]:
    payloads = list(islice(requests(data_set, items, options.seed), POOL))
    size = sum(map(len, payloads)) / (POOL * items)
    work: dict[str, Work] = {"upb": _MESSAGES[data_set.signal].FromString}
    work |= {name: encoder(data_set.signal, implementation) for name, implementation in codecs.items()}
    best = {name: sum(times) / (POOL * items) for name, times in _best(work, payloads, options.seconds).items()}
    label = f"{data_set.name} x{items}"
    yield Measurement(f"{label} bytes an item", size, "B")
    for name, seconds in best.items():
        yield Measurement(f"{label} {name}", 1e6 * seconds, "µs an item", "lower")
        yield Measurement(f"{label} {name} rate", 1 / seconds, "items/s", "higher")
        yield Measurement(f"{label} {name} bytes", size / seconds / 1e6, "MB/s", "higher")
    for name in codecs:
        barred = name == "native" and items == BAR_ITEMS and data_set.name in BARRED
        yield Measurement(f"{label} {name} to upb", best["upb"] / best[name], "x", "higher", BAR if barred else None)


def encoder(signal: str, implementation: Implementation) -> Work:
    """Makes rows of one request; the digest is not part of it."""

    def encode(payload: bytes) -> object:
        return list(implementation.encode_stepwise(signal, "default", payload, bytes(16), time_ns() // 1000, TERMS))

    return encode


def _best(work: Mapping[str, Work], payloads: Sequence[bytes], seconds: float) -> dict[str, list[float]]:
    """The shortest time in seconds that each took for each payload, in turn again and again. Each gets a turn at least."""
    best = {name: [float("inf")] * len(payloads) for name in work}
    until = perf_counter() + seconds
    while True:
        for name, once in work.items():
            turn = perf_counter() + TURN_SECONDS
            for place, payload in cycle(enumerate(payloads)):
                began = perf_counter()
                once(payload)
                ended = perf_counter()
                best[name][place] = min(best[name][place], ended - began)
                if ended > turn and place == len(payloads) - 1:
                    break
        if perf_counter() > until:
            return best
