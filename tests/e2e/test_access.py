"""TLS and tokens from end to end: stock exporters send, `query` asks, and each tenant sees its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.plugins.authority import Authority
from tests.plugins.service import Service, wait_for

RED, BLUE, BLUE_ASKS = "red-sends-and-asks", "blue-may-only-send", "blue-may-only-ask"


@pytest.fixture
def guarded(
    new_service: Callable[..., Service], authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Service:
    # The library below the exporter trusts whom these name, whatever the exporter says.
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    cert, key = authority.sign("localhost", "localhost", "127.0.0.1")
    tokens = tmp_path / "tokens"
    tokens.write_text(f"red all {RED}\nblue ingest {BLUE}\nblue query {BLUE_ASKS}\n")
    return new_service(
        TLS_CERT_FILE=str(cert), TLS_KEY_FILE=str(key), TOKENS_FILE=str(tokens), QUERY_CA_FILE=str(authority.file)
    ).start()


def span(name: str) -> list[Any]:
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": name}))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    with provider.get_tracer("test").start_as_current_span(name):
        pass
    return list(kept.get_finished_spans())


def exporters(service: Service, authority: Authority, token: str) -> Iterator[SpanExporter]:
    shown = {"authorization": f"Bearer {token}"}
    credentials = grpc.ssl_channel_credentials(authority.roots)
    yield GrpcExporter(endpoint=service.endpoint, credentials=credentials, headers=shown)
    yield HttpExporter(
        endpoint=f"https://127.0.0.1:{service.http_port}/v1/traces", certificate_file=str(authority.file), headers=shown
    )


def query(service: Service, token: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llm_observatory", "query", *arguments],
        env={**service.environment, "QUERY_TOKEN": token}, cwd=service.folder,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def services_of(service: Service, token: str) -> set[str]:
    ran = query(service, token, "services", "--json")
    assert ran.returncode == 0, ran.stderr
    return {one["serviceName"] for one in json.loads(ran.stdout)["services"]}


def test_each_tenant_sees_its_own(guarded: Service, authority: Authority) -> None:
    for token, name in ((RED, "crimson"), (BLUE, "navy")):
        for exporter in exporters(guarded, authority, token):
            assert exporter.export(span(name)) is SpanExportResult.SUCCESS
            exporter.shutdown()
    assert services_of(guarded, RED) == {"crimson"}
    assert services_of(guarded, BLUE_ASKS) == {"navy"}
    with psycopg.connect(guarded.dsn()) as connection:
        found = connection.execute("SELECT tenant, service_name, count(*) FROM llm_traces GROUP BY 1, 2 ORDER BY 1")
        assert found.fetchall() == [("blue", "navy", 2), ("red", "crimson", 2)]


def test_who_may_not_is_told_why_and_nothing_is_stored(guarded: Service, authority: Authority) -> None:
    for token in ("nobody-knows-this", BLUE_ASKS):
        for exporter in exporters(guarded, authority, token):
            assert exporter.export(span("stranger")) is SpanExportResult.FAILURE
            exporter.shutdown()
    assert guarded.metric('ingest_refused_requests_total{reason="unauthenticated",signal="traces"}') == 2
    assert guarded.metric('ingest_refused_requests_total{reason="permission_denied",signal="traces"}') == 2
    with psycopg.connect(guarded.dsn()) as connection:
        assert connection.execute("SELECT FROM llm_traces").rowcount == 0
    unknown = query(guarded, "nobody-knows-this", "services")
    assert unknown.returncode == 1
    assert "the token is not known. Set QUERY_TOKEN" in unknown.stderr
    sender = query(guarded, BLUE, "services")
    assert "the token does not allow query" in sender.stderr


def test_a_token_given_out_under_way_is_good_within_seconds(guarded: Service, authority: Authority) -> None:
    file = Path(guarded.environment["TOKENS_FILE"])
    file.write_text(f"{file.read_text()}green ingest green-comes-later\n")
    [exporter, _] = exporters(guarded, authority, "green-comes-later")
    wait_for(lambda: exporter.export(span("fir")) is SpanExportResult.SUCCESS, 10, "green may send")
    exporter.shutdown()


def test_faults_are_told_before_anything_starts(authority: Authority, tmp_path: Path) -> None:
    cert, _ = authority.sign("localhost")
    ran = subprocess.run(
        [sys.executable, "-m", "llm_observatory", "check"],
        env={**os.environ, "TLS_CERT_FILE": str(cert), "TLS_KEY_FILE": "/nowhere", "TOKENS_FILE": "/nowhere/either",
             "LLM_OBSERVATORY_DATA_DIR": str(tmp_path)},
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    assert "TLS_KEY_FILE: /nowhere: No such file or directory" in ran.stderr
    assert "TOKENS_FILE: /nowhere/either: No such file or directory" in ran.stderr
