"""Questions go to a real standby: what it has replayed is found, how far it is behind stands in /health."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
import psycopg
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from llm_observatory.api.v1.trace_query_service_pb2 import SearchTracesRequest
from llm_observatory.api.v1.trace_query_service_pb2_grpc import TraceQueryServiceStub
from tests.plugins.debian_server import Servers
from tests.plugins.programs import program
from tests.plugins.service import Service, free_port, wait_for
from tests.plugins.traces import request

pytestmark = pytest.mark.timeout(120)

SETTINGS = "port = {port}\nlisten_addresses = ''\nunix_socket_directories = '{root}/run'\n"


@dataclass(frozen=True, slots=True)
class Pair:
    """A primary, and a standby that follows it."""

    primary: str
    standby: str


@pytest.fixture
def pair() -> Iterator[Pair]:
    with TemporaryDirectory(prefix="observatory-") as name:
        root = Path(name)
        servers = Servers(root)
        for folder in (root, root / "run", root / "log"):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o711)
            if servers.identity:
                os.chown(folder, servers.identity["user"], servers.identity["group"])
        ports = {folder: free_port() for folder in ("primary", "standby")}
        initdb = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        servers.run(program("initdb"), "-D", root / "primary", *initdb)
        try:
            _configure(root, "primary", ports["primary"])
            servers.start("primary")
            at = {
                folder: f"postgresql://postgres@/llm_observatory?host={root}/run&port={port}" for folder, port in ports.items()
            }
            with psycopg.connect(at["primary"].replace("/llm_observatory", "/postgres"), autocommit=True) as connection:
                connection.execute("CREATE DATABASE llm_observatory")
            copied = ("--write-recovery-conf", "--checkpoint=fast", f"--host={root}/run", f"--port={ports['primary']}")
            servers.run(program("pg_basebackup"), "-D", root / "standby", "--username=postgres", *copied)
            _configure(root, "standby", ports["standby"])
            servers.start("standby")
            yield Pair(at["primary"], at["standby"])
        finally:
            for data in ("standby", "primary"):
                servers.stop(data)


def _configure(root: Path, folder: str, port: int) -> None:
    with (root / folder / "postgresql.conf").open("a") as file:
        file.write(SETTINGS.format(port=port, root=root))


def spans_of_now() -> ExportTraceServiceRequest:
    now = time.time_ns()
    return request(
        Span(trace_id=os.urandom(16), span_id=os.urandom(8), name="now", start_time_unix_nano=now, end_time_unix_nano=now)
    )


def _lag(service: Service) -> float:
    return float(service.health()["database"]["replica"]["lag_seconds"])


def test_questions_are_answered_by_a_standby_that_says_how_far_it_is_behind(
    pair: Pair, new_service: Callable[..., Service]
) -> None:
    service = new_service(fresh=True, DATABASE_URL=pair.primary, DB_READ_URL=pair.standby).start()
    wait_for(lambda: service.health()["query"]["ready"], 30, "the standby has the schema")
    with (
        grpc.insecure_channel(service.endpoint) as sends,
        grpc.insecure_channel(service.query_endpoint) as asks,
        psycopg.connect(pair.standby, autocommit=True) as standby,
    ):
        export = TraceServiceStub(sends).Export  # type: ignore[no-untyped-call]  # its package has no stubs
        search = TraceQueryServiceStub(asks).SearchTraces

        def found() -> int:
            return len(search(SearchTracesRequest(), timeout=10).spans)

        export(spans_of_now(), timeout=10)
        wait_for(lambda: found() > 0, 20, "what was sent is at the standby")
        wait_for(lambda: _lag(service) == 0.0, 20, "it has replayed all")

        before = found()
        standby.execute("SELECT pg_wal_replay_pause()")
        wait_for(lambda: standby.execute("SELECT pg_get_wal_replay_pause_state()").fetchone() == ("paused",), 20, "it pauses")
        began = time.monotonic()
        export(spans_of_now(), timeout=10)
        wait_for(lambda: _lag(service) > 1.0, 30, "it says that it is behind")
        assert _lag(service) < time.monotonic() - began + 60
        assert found() == before

        standby.execute("SELECT pg_wal_replay_resume()")
        wait_for(lambda: found() > before, 20, "it has caught up")
        wait_for(lambda: _lag(service) < 1.0, 20, "and says so")
