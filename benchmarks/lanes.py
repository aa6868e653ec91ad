"""`python -m benchmarks.lanes`: what a flood or a lock of one signal does to the latency of another.

A service of its own on an embedded PostgreSQL in a temporary folder. Traces are sent at a modest fixed rate, alone and beside
a flood of logs, a flood of metrics, logs whose table is locked, and processes that only compute: what the flood costs by
taking CPU, whoever takes it. All in turn, several times, and compared with `alone` of the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from benchmarks.cores import cpu_seconds, pin, tree
from benchmarks.flood import Disturbance, Flood, Requests, burners, flood
from llm_observatory.pipeline.signal import LOGS, METRICS, TRACES
from tests.plugins.load import Client
from tests.plugins.service import Service

PROBE_ITEMS = 10
SETTLE_SECONDS = 0.5
ALONE = "alone"


@dataclass
class Measured:
    """What was seen under one condition, over all rounds."""

    acks: list[float] = field(default_factory=list)
    seconds: float = 0.0
    requests: int = 0
    cpu: dict[str, float] = field(default_factory=dict)

    def percentile(self, percent: int) -> float:
        """Of the acks, in milliseconds."""
        return 1000 * quantiles(self.acks, n=100)[percent - 1]


class Bench:
    """A started service, its disturbances, and the probe."""

    def __init__(self, service: Service, stack: ExitStack, options: argparse.Namespace) -> None:
        self._service, self._options = service, options
        self._requests = Requests(TRACES, PROBE_ITEMS, Random(options.seed))  # noqa: S311 - ids, no secrets
        self._client = Client(service.endpoint)
        stack.callback(self._client.close)
        self._logs, self._metrics = (
            flood(Flood(service.endpoint, signal.name, options.items, options.clients, options.flood_rate, options.seed))
            for signal in (LOGS, METRICS)
        )
        self._burners = burners(os.cpu_count() or 1)
        for disturbance in (self._logs, self._metrics, self._burners):
            stack.callback(disturbance.end)
        self.conditions: dict[str, Callable[[], AbstractContextManager[object]]] = {
            ALONE: nullcontext,
            "flood of logs": self._logs.running,
            "flood of metrics": self._metrics.running,
            "locked logs": self._locked_logs,
            "computing": self._burners.running,
        }
        self.measured = {name: Measured() for name in self.conditions}
        if options.pin:
            self._pin()

    def round(self, number: int) -> None:
        """Every condition once; each round begins with another."""
        names = list(self.conditions)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            print(f"round {number + 1} of {self._options.rounds}: {name}", file=sys.stderr, flush=True)
            with self.conditions[name]():
                self._probe(SETTLE_SECONDS)
                self._measure(self.measured[name])
            self._probe(SETTLE_SECONDS)

    def _measure(self, measured: Measured) -> None:
        before, sent, began = self._cpu(), self._sent(), time.monotonic()
        measured.acks += self._probe(self._options.seconds)
        measured.seconds += time.monotonic() - began
        measured.requests += self._sent() - sent
        for name, used in self._cpu().items():
            measured.cpu[name] = measured.cpu.get(name, 0.0) + used - before[name]

    def _probe(self, seconds: float) -> list[float]:
        """Traces at the fixed rate; the seconds until each was acknowledged, from when its turn had come."""
        acks = []
        due = time.monotonic()
        end = due + seconds
        while due < end:
            payload = next(self._requests)
            time.sleep(max(0.0, due - time.monotonic()))
            self._client.export(payload, 10, TRACES)
            acks.append(time.monotonic() - due)
            due = max(due + 1 / self._options.rate, time.monotonic())
        return acks

    @contextmanager
    def _locked_logs(self) -> Iterator[None]:
        with psycopg.connect(self._service.dsn()) as other, self._logs.running():
            other.execute("LOCK TABLE llm_logs IN ACCESS EXCLUSIVE MODE")
            yield

    def _sent(self) -> int:
        return sum(flood.requests.value for flood in (self._logs, self._metrics))

    def _pids(self) -> dict[str, list[int]]:
        disturbances: list[Disturbance] = [self._logs, self._metrics, self._burners]
        return {
            "service": [self._service.process.pid],
            "database": tree(self._service.postmaster()),
            "clients": [process.pid or 0 for disturbance in disturbances for process in disturbance.processes],
            "probe": [os.getpid()],
        }

    def _cpu(self) -> dict[str, float]:
        return {name: cpu_seconds(pids) for name, pids in self._pids().items()}

    def _pin(self) -> None:
        pids = self._pids()
        first, last = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
        pin(pids["service"] + pids["probe"], first)
        pin(pids["database"] + pids["clients"], last)


def _result(measured: dict[str, Measured], options: argparse.Namespace) -> dict[str, Any]:
    alone = measured[ALONE]
    return {
        "cores": os.cpu_count(),
        **{
            name: getattr(options, name)
            for name in ("seed", "rounds", "seconds", "rate", "items", "clients", "flood_rate", "pin")
        },
        "conditions": {
            name: {
                "acks": len(one.acks),
                **{f"p{percent}_ms": round(one.percentile(percent), 2) for percent in (50, 95)},
                **{f"p{percent}_ratio": round(one.percentile(percent) / alone.percentile(percent), 2) for percent in (50, 95)},
                "disturbing_requests_per_second": round(one.requests / one.seconds, 1),
                "cores_used": {process: round(used / one.seconds, 2) for process, used in one.cpu.items()},
            }
            for name, one in measured.items()
        },
    }


def _show(result: dict[str, Any]) -> None:
    print(f"\n{'traces':<18}{'acks':>6}{'p50 ms':>9}{'ratio':>7}{'p95 ms':>9}{'ratio':>7}{'req/s':>8}  cores used")
    for name, one in result["conditions"].items():
        used = " ".join(f"{process} {cores:.2f}" for process, cores in one["cores_used"].items())
        print(
            f"{name:<18}{one['acks']:>6}{one['p50_ms']:>9.1f}{one['p50_ratio']:>7.2f}{one['p95_ms']:>9.1f}{one['p95_ratio']:>7.2f}"
            f"{one['disturbing_requests_per_second']:>8.0f}  {used}"
        )


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lanes", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there, too")
    parser.add_argument("--rounds", type=int, default=4, help="how often each condition is measured (%(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each time (%(default)s)")
    parser.add_argument("--rate", type=float, default=25.0, help="requests of traces per second (%(default)s)")
    parser.add_argument("--items", type=int, default=512, help="items in a request of the flood (%(default)s)")
    parser.add_argument("--clients", type=int, default=4, help="clients of a flood (%(default)s)")
    parser.add_argument(
        "--flood-rate", type=float, default=0.0, help="requests of a flood per second; 0: without pause (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of all ids (%(default)s)")
    parser.add_argument(
        "--pin", action="store_true", help="service and probe on the first core, database and floods on the last (Linux)"
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run it. Returns the exit status."""
    options = _arguments(argv)
    with TemporaryDirectory(prefix="observatory-") as name, ExitStack() as stack:
        Path(name).chmod(0o711)  # run by root the server belongs to another account
        service = Service(Path(name))
        stack.callback(service.stop)
        print("starting a service on an embedded PostgreSQL", file=sys.stderr, flush=True)
        bench = Bench(service.start(), stack, options)
        for number in range(options.rounds):
            bench.round(number)
        result = _result(bench.measured, options)
    _show(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
