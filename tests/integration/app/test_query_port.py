"""The query port as part of the process: roles, readiness, a replica that is away, a pool with nothing left, the end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from llm_observatory.api.v1 import log_query_service_pb2 as logs
from llm_observatory.api.v1 import log_query_service_pb2_grpc as logs_grpc
from tests.plugins.service import Service, wait_for

NewService = Callable[..., Service]
NOWHERE = "postgresql://nobody:canary@127.0.0.1:1/nothing"
SERVICE = "llm_observatory.api.v1.LogQueryService"
SMALL_POOL = {"DB_POOL_MIN_CONNECTIONS": "0", "DB_POOL_MAX_CONNECTIONS": "1", "DB_POOL_CONNECT_TIMEOUT": "300ms"}

pytestmark = pytest.mark.timeout(120)


@contextmanager
def asking(service: Service) -> Iterator[logs_grpc.LogQueryServiceStub]:
    with grpc.insecure_channel(service.query_endpoint) as channel:
        yield logs_grpc.LogQueryServiceStub(channel)


def status(service: Service) -> tuple[grpc.StatusCode, str]:
    """What one question is answered with."""
    with asking(service) as stub:
        try:
            stub.SearchLogs(logs.SearchLogsRequest(), timeout=10)
        except grpc.RpcError as error:
            return error.code(), error.details() or ""
    return grpc.StatusCode.OK, ""


def serving(service: Service, name: str = SERVICE) -> bool:
    with grpc.insecure_channel(service.query_endpoint) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def ready(service: Service) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(service.get("/health/ready")[1] or b"{}")
    return body


def test_one_process_does_both_on_the_embedded_server(shared_service: Service) -> None:
    wait_for(lambda: serving(shared_service), 10, "the query service is SERVING")
    assert serving(shared_service, "")
    assert status(shared_service)[0] is grpc.StatusCode.OK
    health = shared_service.health()
    assert health["query"] == {"ready": True, "reasons": []}
    assert health["pool_stats"]["max_connections"] == 20
    assert "replica" not in health["database"]


def test_a_process_that_only_answers(new_service: NewService, database: str) -> None:
    service = new_service("query", DATABASE_URL=database).start()
    wait_for(lambda: serving(service), 10, "the query service is SERVING")
    assert status(service)[0] is grpc.StatusCode.OK
    health = service.health()
    assert health["status"] == "healthy"
    assert health["database"]["postgres"]["lag_seconds"] == 0, "no standby"
    with pytest.raises(grpc.FutureTimeoutError), grpc.insecure_channel(service.endpoint) as channel:
        grpc.channel_ready_future(channel).result(timeout=0.2)
    with psycopg.connect(database) as connection:
        names = connection.execute(
            "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
        ).fetchall()
    # The connections of the pool and one that probes: no committers, no maintenance.
    assert len(names) <= 5 + 1 + 1
    assert service.terminate() == 0


def test_it_waits_for_its_schema_and_says_so(new_service: NewService, empty_database: str) -> None:
    service = new_service("query", DATABASE_URL=empty_database).start(wait=False)
    wait_for(lambda: "older" in str(ready(service).get("reasons")), 30, "it says that the schema is older")
    assert service.get("/health")[0] == 503
    assert not serving(service)
    assert status(service)[0] is grpc.StatusCode.UNAVAILABLE
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('llm_traces')").fetchone() == (None,), "it migrates nothing"
    new_service("ingest", DATABASE_URL=empty_database).start()
    service.wait_ready(10)
    wait_for(lambda: serving(service), 10, "the query service is SERVING")
    assert status(service)[0] is grpc.StatusCode.OK


def test_a_process_that_only_takes_in_has_no_query_port(new_service: NewService, database: str) -> None:
    service = new_service("ingest", DATABASE_URL=database).start()
    assert "query" not in service.health()
    assert status(service)[0] is grpc.StatusCode.UNAVAILABLE, "nobody listens"


def test_a_replica_that_is_away_costs_only_queries(new_service: NewService, database: str) -> None:
    service = new_service(DATABASE_URL=database, DB_READ_URL=NOWHERE, **SMALL_POOL).start()
    assert not serving(service)
    health = service.health()
    assert (health["status"], health["query"]["ready"]) == ("degraded", False)
    assert health["database"]["postgres"]["status"] == "healthy"
    assert health["database"]["replica"]["status"] == "unhealthy"
    code, words = status(service)
    assert code is grpc.StatusCode.UNAVAILABLE
    assert "127.0.0.1" not in words
    assert "canary" not in service.log.read_text()


def test_a_replica_that_is_there(new_service: NewService, database: str) -> None:
    service = new_service(DATABASE_URL=database, DB_READ_URL=database).start()
    wait_for(lambda: serving(service), 10, "the query service is SERVING")
    assert service.health()["database"]["replica"]["lag_seconds"] == 0
    assert status(service)[0] is grpc.StatusCode.OK


def test_a_pool_with_nothing_left_is_unavailable_in_time(new_service: NewService, database: str) -> None:
    service = new_service("query", DATABASE_URL=database, **SMALL_POOL).start()
    with psycopg.connect(database) as connection, asking(service) as stub:
        connection.execute("LOCK TABLE llm_logs IN ACCESS EXCLUSIVE MODE")
        holding = stub.SearchLogs.future(logs.SearchLogsRequest(), timeout=20)
        wait_for(lambda: service.metric('storage_pool_connections{state="active"}') == 1, 10, "it holds the one connection")
        began = time.monotonic()
        assert status(service)[0] is grpc.StatusCode.UNAVAILABLE
        assert 0.25 < time.monotonic() - began < 3
        connection.rollback()
        holding.result()


def test_too_long_is_cancelled_in_the_database(new_service: NewService, database: str) -> None:
    service = new_service("query", DATABASE_URL=database, QUERY_TIMEOUT="300ms", **SMALL_POOL).start()
    with psycopg.connect(database, autocommit=True) as watching, psycopg.connect(database) as locking:
        locking.execute("LOCK TABLE llm_logs IN ACCESS EXCLUSIVE MODE")
        code, words = status(service)
        assert (code, "QUERY_TIMEOUT" in words) == (grpc.StatusCode.DEADLINE_EXCEEDED, True)
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        wait_for(lambda: watching.execute(waiting).rowcount == 0, 5, "no statement waits any more")


def test_the_end_waits_for_answers_and_not_for_tails(new_service: NewService, database: str) -> None:
    service = new_service(DATABASE_URL=database).start()
    wait_for(lambda: serving(service), 10, "the query service is SERVING")
    with asking(service) as stub, psycopg.connect(database) as connection:
        tail = stub.TailLogs(logs.TailLogsRequest())
        assert next(iter(tail)) == logs.TailLogsResponse()
        connection.execute("LOCK TABLE llm_logs IN ACCESS EXCLUSIVE MODE")
        asked = stub.SearchLogs.future(logs.SearchLogsRequest(), timeout=20)
        wait_for(lambda: _waits(connection), 10, "the question waits for the lock")
        service.process.terminate()
        wait_for(lambda: "draining" in str(ready(service)), 10, "it drains")
        began = time.monotonic()
        connection.rollback()
        asked.result()
        assert service.process.wait(20) == 0
        assert time.monotonic() - began < 8, "the tail did not eat the grace"
        with pytest.raises(grpc.RpcError):
            list(tail)


def _waits(connection: psycopg.Connection[Any]) -> bool:
    return connection.execute("SELECT FROM pg_locks WHERE NOT granted").rowcount > 0
