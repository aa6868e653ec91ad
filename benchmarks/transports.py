"""`python -m benchmarks.transports`: CPU of the service for one record, by transport and encoding, as ratios to gRPC.

A service of its own on an embedded PostgreSQL in a temporary folder. The same requests, each with another trace id, go in
turn over gRPC, HTTP with protobuf and HTTP with JSON; the CPU is that of the service's process, not of the database's.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.cores import cpu_seconds
from llm_observatory.pipeline.signal import LOGS, METRICS, SIGNALS, TRACES, Signal
from tests.plugins.load import REQUESTS, Client
from tests.plugins.otlp_json import to_json
from tests.plugins.service import Service

TIMEOUT_SECONDS = 30.0
BARS = {"http-protobuf": 1.3, "http-json": 6.0}
MESSAGES: dict[Signal, Any] = {
    TRACES: ExportTraceServiceRequest,
    METRICS: ExportMetricsServiceRequest,
    LOGS: ExportLogsServiceRequest,
}

Send = Callable[[Signal, bytes], None]


class HttpClient:
    """One connection that is kept."""

    def __init__(self, port: int, content_type: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        self._headers = {"content-type": content_type}

    def send(self, signal: Signal, body: bytes) -> None:
        """One request; it must be taken whole."""
        self._connection.request("POST", f"/v1/{signal.name}", body, self._headers)
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status != http.client.OK or said not in (b"", b"{}"):
            raise AssertionError(f"{answer.status}: {said!r}")


class Payloads:
    """Requests of one signal that differ in their trace id alone, as protobuf and as JSON."""

    def __init__(self, signal: Signal, items: int, random: Random) -> None:
        self._trace_id, protobuf = REQUESTS[signal](items)
        self._random = random
        self._templates = {False: (self._trace_id, protobuf)}
        written = to_json(MESSAGES[signal].FromString(protobuf))
        self._templates[True] = (self._trace_id.hex().encode(), written)

    def take(self, count: int, *, as_json: bool) -> Iterator[bytes]:
        """So many of them."""
        own, template = self._templates[as_json]
        for _ in range(count):
            other = self._random.randbytes(16)
            yield template.replace(own, other.hex().encode() if as_json else other)


def measure(service: Service, options: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """Microseconds of CPU a record, by signal and transport, a figure a round."""
    random = Random(options.seed)  # noqa: S311 - ids, no secrets
    payloads = {signal: Payloads(signal, options.items, random) for signal in SIGNALS}
    client = Client(service.endpoint)
    transports: dict[str, Send] = {
        "grpc": lambda signal, body: _exported(client, signal, body),
        "http-protobuf": HttpClient(service.http_port, "application/x-protobuf").send,
        "http-json": HttpClient(service.http_port, "application/json").send,
    }
    taken: dict[str, dict[str, list[float]]] = {signal.name: {name: [] for name in transports} for signal in SIGNALS}
    names = list(transports)
    for number in range(options.rounds + 1):
        print(f"round {number} of {options.rounds}" if number else "warming up", file=sys.stderr, flush=True)
        for signal in SIGNALS:
            for name in names[number % len(names) :] + names[: number % len(names)]:
                bodies = list(payloads[signal].take(options.requests, as_json=name == "http-json"))
                before = cpu_seconds([service.process.pid])
                for body in bodies:
                    transports[name](signal, body)
                used = cpu_seconds([service.process.pid]) - before
                if number:
                    taken[signal.name][name].append(1e6 * used / (options.requests * options.items))
    client.close()
    return taken


def _exported(client: Client, signal: Signal, body: bytes) -> None:
    client.export(body, TIMEOUT_SECONDS, signal)


def _result(taken: dict[str, dict[str, list[float]]], options: argparse.Namespace) -> dict[str, Any]:
    return {
        **{name: getattr(options, name) for name in ("seed", "rounds", "requests", "items")},
        "signals": {
            signal: {
                name: {
                    "cpu_us_per_record": round(median(figures), 2),
                    "ratio": round(median(figures) / median(by_transport["grpc"]), 2),
                    "bar": BARS.get(name),
                }
                for name, figures in by_transport.items()
            }
            for signal, by_transport in taken.items()
        },
    }


def _show(result: dict[str, Any]) -> bool:
    holds = True
    print(f"\n{'signal':<10}{'transport':<16}{'CPU us a record':>16}{'ratio':>8}{'bar':>6}")
    for signal, by_transport in result["signals"].items():
        for name, one in by_transport.items():
            print(f"{signal:<10}{name:<16}{one['cpu_us_per_record']:>16.2f}{one['ratio']:>8.2f}{one['bar'] or '':>6}")
            holds &= one["bar"] is None or one["ratio"] <= one["bar"]
    return holds


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transports", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there, too")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (%(default)s)")
    parser.add_argument("--requests", type=int, default=30, help="requests each time (%(default)s)")
    parser.add_argument("--items", type=int, default=512, help="records in a request (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of all ids (%(default)s)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run it. Returns the exit status: 0 when every bar holds."""
    options = _arguments(argv)
    with TemporaryDirectory(prefix="observatory-") as name, ExitStack() as stack:
        Path(name).chmod(0o711)  # run by root the server belongs to another account
        service = Service(Path(name))
        stack.callback(service.stop)
        print("starting a service on an embedded PostgreSQL", file=sys.stderr, flush=True)
        result = _result(measure(service.start(), options), options)
    holds = _show(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
