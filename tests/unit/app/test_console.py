"""What `serve` says on a terminal: addresses that can be pasted."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from llm_observatory.app.console import Console
from llm_observatory.settings import Settings


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class Ports(NamedTuple):
    otlp_grpc: int | None = 4317
    otlp_http: int | None = 4318
    query: int | None = 8080
    sidecar: int = 9090


ALL = Ports()


def said(ports: Ports = ALL, **settings: Any) -> list[str]:
    page = Terminal()
    console = Console(page)
    console.listening(Settings(**settings), "embedded", ports)
    console.ready()
    return page.getvalue().splitlines()


def test_every_port_has_its_address() -> None:
    addresses = said()[1:6]
    assert [line.split() for line in addresses] == [
        ["OTLP/gRPC", "http://127.0.0.1:4317"],
        ["OTLP/HTTP", "http://127.0.0.1:4318"],
        ["queries", "http://127.0.0.1:8080"],
        ["health", "http://127.0.0.1:9090/health"],
        ["metrics", "http://127.0.0.1:9090/metrics"],
    ]


def test_with_a_certificate_all_but_the_sidecar_speak_tls(tmp_path: Path) -> None:
    text = "\n".join(said(tls_cert_file=tmp_path / "cert", tls_key_file=tmp_path / "key"))
    assert "https://127.0.0.1:4317" in text
    assert "https://127.0.0.1:4318" in text
    assert "https://127.0.0.1:8080" in text
    assert "http://127.0.0.1:9090/health" in text


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert "http://[::1]:4317" in "\n".join(said(listen_host="::1"))


def test_what_does_not_listen_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    lines = said(Ports(otlp_grpc=None, otlp_http=None))
    assert not [line for line in lines if "OTLP" in line]
    assert lines[-1] == "Ready. Try:  llm-observatory query usage"
    assert said()[-1] == "Ready. Try:  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317 with any OpenTelemetry SDK"
