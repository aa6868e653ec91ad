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
    def otlp_grpc(self) -> int | None:
        """OTLP over gRPC; None where no records are taken in."""

    @property
    def otlp_http(self) -> int | None:
        """OTLP over HTTP; None as above."""

    @property
    def query(self) -> int | None:
        """Queries over gRPC; None where no questions are answered."""

    @property
    def sidecar(self) -> int:
        """Health and metrics."""


class Console:
    """Short lines on stdout for a terminal; events in the log for everything else."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._terminal = self._stream.isatty()
        self._endpoint: str | None = None

    def progress(self, line: str) -> None:
        """A step of the start."""
        if self._terminal:
            self._write(f"  … {line}")
        else:
            log.info("starting", step=line)

    def listening(self, settings: Settings, database: str, ports: Listening) -> None:
        """What listens where."""
        host = f"[{settings.listen_host}]" if ":" in settings.listen_host else settings.listen_host
        scheme = "http" if settings.tls_cert_file is None else "https"
        places = {
            "otlp_grpc": (scheme, ports.otlp_grpc),
            "otlp_http": (scheme, ports.otlp_http),
            "query": (scheme, ports.query),
            "sidecar": ("http", ports.sidecar),
        }
        urls = {name: f"{way}://{host}:{number}" for name, (way, number) in places.items() if number is not None}
        self._endpoint = urls.get("otlp_grpc")
        if not self._terminal:
            log.info("listening", version=__version__, **urls, database=database)
            return
        self._write(f"LLM Observatory storage {__version__}")
        lines = {"OTLP/gRPC": urls.get("otlp_grpc"), "OTLP/HTTP": urls.get("otlp_http"), "queries": urls.get("query")}
        lines["health"] = f"{urls['sidecar']}/health"
        if settings.metrics_enabled:
            lines["metrics"] = f"{urls['sidecar']}/metrics"
        for title, line in {**lines, "database": database}.items():
            if line is not None:
                self._write(f"  {title:<10} {line}")

    def ready(self) -> None:
        """The start is over; one line to try next."""
        if not self._terminal:
            return
        if self._endpoint is None:
            self._write("Ready. Try:  llm-observatory query usage")
        elif Path("demo/__main__.py").is_file() and Path("Makefile").is_file():
            self._write("Ready. Try in a second terminal:  make demo")
        else:
            self._write(f"Ready. Try:  OTEL_EXPORTER_OTLP_ENDPOINT={self._endpoint} with any OpenTelemetry SDK")

    def _write(self, line: str) -> None:
        print(line, file=self._stream, flush=True)
