"""What `serve` says to the person who started it: what listens where, how the start goes, what to try next."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol, TextIO

import structlog

from llm_observatory import __version__
from llm_observatory.settings import Settings

log = structlog.get_logger(__name__)


class Listening(Protocol):
    """The ports that were bound."""

    @property
    def otlp_grpc(self) -> int:
        """OTLP over gRPC."""

    @property
    def otlp_http(self) -> int:
        """OTLP over HTTP."""

    @property
    def sidecar(self) -> int:
        """Health and metrics."""


class Console:
    """Short lines on stdout for a terminal; events in the log for everything else."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._terminal = self._stream.isatty()
        self._endpoint = ""

    def progress(self, line: str) -> None:
        """A step of the start."""
        if self._terminal:
            self._write(f"  … {line}")
        else:
            log.info("starting", step=line)

    def listening(self, settings: Settings, database: str, ports: Listening) -> None:
        """What listens where."""
        host = f"[{settings.listen_host}]" if ":" in settings.listen_host else settings.listen_host
        self._endpoint = f"http://{host}:{ports.otlp_grpc}"
        http = f"http://{host}:{ports.otlp_http}"
        sidecar = f"http://{host}:{ports.sidecar}"
        if not self._terminal:
            log.info(
                "listening", version=__version__, otlp_grpc=self._endpoint, otlp_http=http, sidecar=sidecar, database=database
            )
            return
        self._write(f"LLM Observatory storage {__version__}")
        self._write(f"  OTLP/gRPC  {self._endpoint}")
        self._write(f"  OTLP/HTTP  {http}")
        self._write(f"  health     {sidecar}/health")
        if settings.metrics_enabled:
            self._write(f"  metrics    {sidecar}/metrics")
        self._write(f"  database   {database}")

    def ready(self) -> None:
        """The start is over; one line to try next."""
        if not self._terminal:
            return
        if Path("demo/__main__.py").is_file() and Path("Makefile").is_file():
            self._write("Ready. Try in a second terminal:  make demo")
        else:
            self._write(f"Ready. Try:  OTEL_EXPORTER_OTLP_ENDPOINT={self._endpoint} with any OpenTelemetry SDK")

    def _write(self, line: str) -> None:
        print(line, file=self._stream, flush=True)
