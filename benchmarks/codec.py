"""`python -m benchmarks.codec`: how fast each codec makes rows of LLM spans, as ratios to upb's own parsing of the same bytes.

One core, in turn within one run; each figure is the best of its rounds, for noise only ever adds. upb's `FromString` makes a
message and nothing else: no rows, no documents, no ids.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from llm_observatory import codec
from llm_observatory.codec import Native, reference
from llm_observatory.errors import ConfigError
from tests.unit.codec import spans

BAR = 0.8
"""Of upb's rate, for the native codec."""

SPANS = 512

TURN_SECONDS = 0.1
"""Long enough that caches and heap are those of who has the turn."""


def payload() -> bytes:
    """One request of LLM calls, each a trace of its own, about 500 bytes a span."""
    return spans.request(
        *[
            spans.span(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "openai",
                    "gen_ai.request.model": "gpt-4o-mini",
                    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
                    "gen_ai.response.id": f"chatcmpl-{number:012}",
                    "gen_ai.usage.input_tokens": 523 + number % 100,
                    "gen_ai.usage.output_tokens": 187 + number % 50,
                    "gen_ai.request.temperature": 0.7,
                    "gen_ai.response.finish_reasons": ["stop"],
                    "gen_ai.conversation.id": f"conv-{number % 100:08}",
                    "server.address": "api.openai.com",
                    "server.port": 443,
                },
                name="chat gpt-4o-mini",
                trace_id=number.to_bytes(16, "big"),
                span_id=number.to_bytes(8, "big"),
            )
            for number in range(1, SPANS + 1)
        ]
    )


def rounds(work: dict[str, Callable[[], object]], seconds: float) -> Iterator[tuple[str, float]]:
    """Each in turn, again and again: its name and the seconds it took."""
    until = perf_counter() + seconds
    while perf_counter() < until:
        for name, run in work.items():
            turn = perf_counter() + TURN_SECONDS
            while (began := perf_counter()) < turn:
                run()
                yield name, perf_counter() - began


def main() -> int:
    """Print the rates; the exit status says whether the bar holds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.codec", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long in all")
    parser.add_argument("--json", type=Path, help="write the figures there")
    given = parser.parse_args()
    data = payload()
    arguments = ("traces", "default", data, bytes(16), spans.NOW, spans.TERMS)

    def encode(implementation: codec.Implementation) -> Callable[[], object]:
        return lambda: list(implementation.encode_stepwise(*arguments))

    work = {"upb": lambda: ExportTraceServiceRequest.FromString(data), "reference": encode(reference)}
    try:
        work["native"] = encode(Native())
    except ConfigError as error:
        print(error)
        return 1
    best = dict.fromkeys(work, float("inf"))
    for name, took in rounds(work, given.seconds):
        best[name] = min(best[name], took)
    ratios = {name: best["upb"] / took for name, took in best.items()}
    print(f"{SPANS} spans of {len(data) / SPANS:.0f} bytes")
    for name, took in best.items():
        print(f"{name:10} {took / SPANS * 1e6:6.2f} µs a span, {ratios[name]:.2f} of upb's rate")
    if given.json:
        given.json.write_text(json.dumps({"seconds_a_request": best, "ratios": ratios}), encoding="utf-8")
    return 0 if ratios["native"] >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
