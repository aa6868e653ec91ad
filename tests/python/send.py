"""Sends what `recorded.py` records by OTLP exporters of Python, and says what each of them said.

    python -m tests.python.send '{"run": "1", "at": 1795838760318160575, "roads": [["grpc", "http://127.0.0.1:4317", "gzip"]]}'

An exporter is set up by the environment alone, as docs/otlp.md tells people to. Each road has its records of the service
`RUN python PROTOCOL COMPRESSION`, all are sent at the same moment: when a line comes on stdin, after `ready` was written. Then
comes a line of JSON: whether each road and signal was a success, and what the exporters logged.

It runs in two environments: that of the project, and that of this folder, for what cannot be installed beside it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from typing import Any

from tests.python.recorded import record

PACKAGES = {
    "grpc": "opentelemetry.exporter.otlp.proto.grpc",
    "http/protobuf": "opentelemetry.exporter.otlp.proto.http",
    "http/json": "opentelemetry.exporter.otlp.json.http",
    # Its own name for what it also brings as opentelemetry.exporter.otlp.proto.grpc.
    "pyproto grpc": "opentelemetry.exporter.otlp._proto.grpc",
}
EXPORTERS = {
    "traces": ("trace_exporter", "OTLPSpanExporter"),
    "metrics": ("metric_exporter", "OTLPMetricExporter"),
    "logs": ("_log_exporter", "OTLPLogExporter"),
}


class _Lines(logging.Handler):
    """Keeps what is logged, at any level that people see."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name}: {record.getMessage()}")


def _exporter(protocol: str, endpoint: str, compression: str, signal: str) -> Any:
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
    os.environ.pop("OTEL_EXPORTER_OTLP_COMPRESSION", None)
    if compression != "none":  # which the gRPC exporter does not know
        os.environ["OTEL_EXPORTER_OTLP_COMPRESSION"] = compression
    module, name = EXPORTERS[signal]
    return getattr(import_module(f"{PACKAGES[protocol]}.{module}"), name)()


def main() -> None:
    """See the module."""
    asked = json.loads(sys.argv[1])
    logged = _Lines()
    logging.getLogger("opentelemetry.exporter").addHandler(logged)
    ways: dict[tuple[str, str], Callable[[], Any]] = {}
    for protocol, endpoint, compression in asked["roads"]:
        service = f"{asked['run']} python {protocol} {compression}"
        recorded = record(service, asked["at"])._asdict()
        for signal in EXPORTERS:
            exporter = _exporter(protocol, endpoint, compression, signal)
            ways[service, signal] = partial(exporter.export, recorded[signal])
    print("ready", flush=True)  # noqa: T201 - the test reads it
    sys.stdin.readline()
    with ThreadPoolExecutor(len(ways)) as pool:
        running = {way: pool.submit(export) for way, export in ways.items()}
        results = [[*way, export.result().name] for way, export in running.items()]
    print(json.dumps({"results": results, "logged": logged.lines}), flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    main()
