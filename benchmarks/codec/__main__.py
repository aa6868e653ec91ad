"""`python -m benchmarks.codec`: how fast each codec makes rows, as ratios to upb's own parsing of the same bytes.

One core, in turn within one run; each figure is the best of its rounds, for noise only ever adds. upb's `FromString` makes a
message and nothing else: no rows, no documents, no ids. Beside it what the memory does: one copy of the bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.codec.payloads import Payload, payloads
from llm_observatory import codec
from llm_observatory.codec import Native, reference
from llm_observatory.errors import ConfigError
from tests.unit.codec import spans

BAR = 0.8
"""Of upb's rate, for the native codec, with every payload."""

TURN_SECONDS = 0.1
"""Long enough that caches and heap are those of who has the turn."""


def rounds(work: dict[str, Callable[[], object]], seconds: float) -> Iterator[tuple[str, float]]:
    """Each in turn, again and again: its name and the seconds it took."""
    until = perf_counter() + seconds
    while perf_counter() < until:
        for name, run in work.items():
            turn = perf_counter() + TURN_SECONDS
            while (began := perf_counter()) < turn:
                run()
                yield name, perf_counter() - began


def measured(payload: Payload, native: codec.Implementation, seconds: float) -> dict[str, float]:
    """The best time of each for one payload, in seconds."""
    arguments = (payload.signal, "default", payload.data, bytes(16), spans.NOW, spans.TERMS)

    def encode(implementation: codec.Implementation) -> Callable[[], object]:
        return lambda: list(implementation.encode_stepwise(*arguments))

    work: dict[str, Callable[[], object]] = {
        "copy": lambda: bytearray(payload.data),
        "upb": lambda: payload.message.FromString(payload.data),
        "native": encode(native),
        "reference": encode(reference),
    }
    best = dict.fromkeys(work, float("inf"))
    for name, took in rounds(work, seconds):
        best[name] = min(best[name], took)
    return best


def main() -> int:
    """Print the rates; the exit status says whether the bar holds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.codec", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="how long for each payload")
    parser.add_argument("--only", help="the payload whose name begins so")
    parser.add_argument("--json", type=Path, help="write the figures there")
    given = parser.parse_args()
    try:
        native = Native()
    except ConfigError as error:
        print(error)
        return 1
    figures: dict[str, dict[str, Any]] = {}
    for name, payload in payloads().items():
        if not name.startswith(given.only or ""):
            continue
        best = measured(payload, native, given.seconds)
        ratios = {who: best["upb"] / took for who, took in best.items()}
        figures[name] = {"seconds_a_request": best, "ratios": ratios, "bytes": len(payload.data), "records": payload.records}
        print(f"{name}: {payload.records} of {len(payload.data) / payload.records:.0f} bytes")
        for who, took in best.items():
            rate = len(payload.data) / took / 1e6
            print(
                f"  {who:10} {took / payload.records * 1e6:7.2f} µs a record, {rate:6.0f} MB/s, {ratios[who]:.2f} of upb's rate"
            )
    if given.json:
        given.json.write_text(json.dumps(figures), encoding="utf-8")
    return 0 if all(of["ratios"]["native"] >= BAR for of in figures.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
