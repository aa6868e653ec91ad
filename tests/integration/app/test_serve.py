"""The life of the process: starting without a database, refusing what does not fit, reloading, stopping in order."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from tests.plugins.database import database_url, execute
from tests.plugins.service import Service, free_port, wait_for

NewService = Callable[..., Service]
NOWHERE = "postgresql://nobody:canary@127.0.0.1:1/nothing"

pytestmark = pytest.mark.timeout(120)


def one_span() -> trace_service_pb2.ExportTraceServiceRequest:
    now = time.time_ns()
    span = Span(trace_id=b"t" * 16, span_id=b"s" * 8, name="one", start_time_unix_nano=now, end_time_unix_nano=now + 1)
    return trace_service_pb2.ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[span])])])


def serving(service: Service) -> bool:
    with grpc.insecure_channel(service.endpoint) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def export(service: Service, seconds: float = 10) -> grpc.StatusCode:
    """The status of one export call."""
    with grpc.insecure_channel(service.endpoint) as channel:
        call = channel.unary_unary(
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            request_serializer=trace_service_pb2.ExportTraceServiceRequest.SerializeToString,
            response_deserializer=trace_service_pb2.ExportTraceServiceResponse.FromString,
        )
        try:
            call(one_span(), timeout=seconds)
        except grpc.RpcError as error:
            status: grpc.StatusCode = error.code()
            return status
    return grpc.StatusCode.OK


def logged(service: Service) -> list[dict[str, object]]:
    """The JSON lines of the service's log."""
    lines = service.log.read_text(errors="replace").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def events(service: Service, event: str) -> list[dict[str, object]]:
    return [entry for entry in logged(service) if entry["event"] == event]


def test_without_a_database_it_listens_refuses_and_waits(new_service: NewService) -> None:
    service = new_service(DATABASE_URL=NOWHERE).start(wait=False)
    wait_for(lambda: service.get("/health/live")[0] == 200, 30, "the sidecar answers")
    wait_for(lambda: bool(events(service, "the database is not ready, trying again")), 30, "a first try")
    status, body = service.get("/health/ready")
    assert status == 503
    assert "database" in body.decode()
    assert service.get("/health")[0] == 503
    assert not serving(service)
    assert export(service) is grpc.StatusCode.UNAVAILABLE
    assert service.terminate() == 0
    assert "canary" not in service.log.read_text()


@pytest.mark.parametrize("reflect", ["", "true"], ids=["by default", "switched on"])
def test_reflection_is_a_setting(new_service: NewService, reflect: str) -> None:
    service = new_service(DATABASE_URL=NOWHERE, GRPC_REFLECTION=reflect).start(wait=False)
    wait_for(lambda: service.get("/health/live")[0] == 200, 30, "the sidecar answers")
    wait_for(lambda: bool(events(service, "listening")), 30, "the OTLP port is open")
    with grpc.insecure_channel(service.endpoint) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        answers = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=10)
        if reflect:
            names = {found.name for found in next(answers).list_services_response.service}
            assert "opentelemetry.proto.collector.trace.v1.TraceService" in names
        else:
            with pytest.raises(grpc.RpcError) as caught:
                next(answers)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_it_becomes_ready_when_the_database_appears(new_service: NewService, server: str) -> None:
    name = f"observatory_late_{free_port()}"
    service = new_service(DATABASE_URL=database_url(server, name)).start(wait=False)
    try:
        wait_for(lambda: bool(events(service, "the database is not ready, trying again")), 30, "a first try")
        assert service.get("/health/ready")[0] == 503
        execute(server, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        service.wait_ready()
        wait_for(lambda: serving(service), 10, "grpc.health.v1 says SERVING")
        assert export(service) is grpc.StatusCode.OK
        assert service.terminate() == 0
    finally:
        service.stop()
        execute(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.mark.parametrize("setting", ["HEALTH_CHECK_PORT", "OTLP_GRPC_PORT", "OTLP_HTTP_PORT", "QUERY_PORT"])
def test_a_port_in_use_ends_the_start_in_words(new_service: NewService, setting: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        service = new_service(DATABASE_URL=NOWHERE, **{setting: str(port)}).start(wait=False)
        assert service.process.wait(30) == 1
    log = service.log.read_text()
    assert f"cannot listen on 127.0.0.1:{port} ({setting}): Address already in use" in log
    assert f"Is another llm-observatory running? Stop it, or set {setting} to another port" in log
    assert "Traceback" not in log


@pytest.mark.postgresql("the embedded server")
def test_a_second_serve_on_the_same_folder_is_refused_in_words(shared_service: Service) -> None:
    ports = {name: str(free_port()) for name in ("OTLP_GRPC_PORT", "OTLP_HTTP_PORT", "QUERY_PORT", "HEALTH_CHECK_PORT")}
    second = subprocess.run(
        [sys.executable, "-m", "llm_observatory", "serve"],
        cwd=shared_service.folder, env={**shared_service.environment, **ports}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert second.returncode == 1
    assert f"pid {shared_service.process.pid}, is already serving from {shared_service.folder / 'data'}" in second.stderr
    assert "listening" not in second.stderr
    assert "Traceback" not in second.stderr
    assert shared_service.get("/health/ready")[0] == 200


@pytest.mark.postgresql("the embedded server")
def test_a_data_folder_that_cannot_be_used_ends_the_start_before_a_port_is_open(new_service: NewService) -> None:
    service = new_service(fresh=True)
    (service.folder / "data").write_text("no folder")
    service.start(wait=False)
    assert service.process.wait(30) == 1
    log = service.log.read_text()
    assert "the embedded PostgreSQL cannot use" in log
    assert "listening" not in log
    assert "Traceback" not in log


def test_health_of_a_running_service(shared_service: Service) -> None:
    health = shared_service.health()
    assert health["status"] == "healthy"
    assert health["database"]["postgres"]["status"] == "healthy"
    assert 0 < health["database"]["postgres"]["latency_ms"] < 1000
    assert health["pool_stats"]["max_connections"] == 20
    assert shared_service.metric("storage_database_up") == 1
    assert shared_service.metric("event_loop_lag_seconds_count") > 0
    wait_for(lambda: shared_service.metric('storage_pool_connections{state="idle"}') == 5, 20, "the read pool fills")


def test_commands_find_the_running_server(shared_service: Service) -> None:
    def command(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "llm_observatory", *words],
            cwd=shared_service.folder, env=shared_service.environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    checked = command("check", "--json")
    assert checked.returncode == 0, checked.stderr
    database = json.loads(checked.stdout)["database"]
    assert database["server"] == {"fsync": "on", "full_page_writes": "on", "server_encoding": "UTF8"}
    assert (database["faults"], database["pending_migrations"], database["error"]) == ([], [], None)
    assert command("migrate", "status").returncode == 0
    assert command("migrate", "verify", "--json").stdout.strip().startswith('{\n  "equal": true')


def test_sighup_reloads(shared_service: Service) -> None:
    env_file = shared_service.folder / ".env"
    env_file.write_text("LOG_LEVEL=debug\nRETENTION=30d\nBATCH_SIZE=7\n")
    try:
        shared_service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: bool(events(shared_service, "settings read again")), 10, "the reload is logged")
        event = events(shared_service, "settings read again")[0]
        assert "LOG_LEVEL" in str(event["applied"])
        assert "RETENTION" in str(event["applied"])
        assert "ACCEPT_MAX_AGE" in str(event["applied"]), "it follows RETENTION"
        assert event["after_restart"] == ["BATCH_SIZE"]
        env_file.write_text("RETENTION=soon\n")
        shared_service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: bool(events(shared_service, "settings are faulty, nothing was changed")), 10, "the fault is logged")
        assert shared_service.get("/health/ready")[0] == 200
    finally:
        env_file.unlink()


def test_sigterm_stops_in_order_and_leaves_nothing(new_service: NewService) -> None:
    service = new_service().start()
    postmaster = service.postmaster()
    assert export(service) is grpc.StatusCode.OK
    assert service.terminate() == 0
    assert [entry["step"] for entry in events(service, "stop step done")] == ["drain", "close the database"]
    assert not postmaster.is_running()
    assert service.get("/health/live")[0] == 0
    assert not list(Path(service.folder).rglob("postmaster.pid"))


@pytest.mark.postgresql("the embedded server")
def test_a_stop_in_the_middle_of_the_start_is_an_ordinary_stop(new_service: NewService) -> None:
    service = new_service(fresh=True)
    for number, step in ((signal.SIGTERM, "creating the database cluster"), (signal.SIGINT, "applying ")):
        service.start(wait=False)
        wait_for(lambda step=step: f'"step": "{step}' in service.log.read_text(), 60, step)  # type: ignore[misc]
        service.process.send_signal(number)
        # As long as initdb takes, which is not cut short; SHUTDOWN_GRACE would end it by force, with 1.
        assert service.process.wait(20) == 0, service.log.read_text()[-2000:]
        assert not list(service.folder.rglob("postmaster.pid"))
    log = service.log.read_text()
    assert "Traceback" not in log
    assert not events(service, "ready")
    service.start()
    assert service.terminate() == 0


def _freeze(postmaster: psutil.Process) -> Callable[[], None]:
    """Stop every process of a server, as a hanging disk would."""
    frozen = [postmaster, *postmaster.children(recursive=True)]
    for process in frozen:
        process.suspend()

    def thaw() -> None:
        for process in frozen:
            if process.is_running():
                process.resume()

    return thaw


def test_a_frozen_database_is_noticed_and_does_not_hold_up_the_stop(new_service: NewService) -> None:
    service = new_service(SHUTDOWN_GRACE="5s").start()
    thaw = _freeze(service.postmaster())
    try:
        wait_for(lambda: service.get("/health/ready")[0] == 503, 10, "readiness goes")
        assert service.get("/health/live")[0] == 200
        began = time.monotonic()
        service.terminate()
        assert time.monotonic() - began < 7
    finally:
        thaw()


def test_a_second_signal_ends_at_once(new_service: NewService) -> None:
    service = new_service(SHUTDOWN_GRACE="60s").start()
    thaw = _freeze(service.postmaster())
    try:
        service.process.send_signal(signal.SIGTERM)
        wait_for(lambda: bool(events(service, "stopping")), 10, "the first signal is taken")
        began = time.monotonic()
        assert service.terminate() == 1
        assert time.monotonic() - began < 3
    finally:
        thaw()
