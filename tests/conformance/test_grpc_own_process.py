"""OTLP/gRPC: what can be seen only where the process and its database are ours."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psutil
import psycopg
import pytest
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # ships no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships no stubs
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.conformance.conftest import NOWHERE, StartService, own_service, receiver_of
from tests.conformance.frames import exchange, outcome
from tests.conformance.receiver import RETRYABLE, Answer, Client, Receiver, Seen, answers_of
from tests.conformance.signals import SIGNALS, TRACES, Signal, traces
from tests.conformance.test_grpc_export import EMPTY, empty_requests
from tests.plugins.database import create, drop, execute, new_name
from tests.plugins.service import Service, wait_for
from tests.plugins.wire import frame

pytestmark = [pytest.mark.timeout(180), pytest.mark.own_process("faults of its database, its start and its end")]

EVERY_SIGNAL = pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)


def listening(service: Service) -> Client:
    """A client of a service that has just been started."""
    client = receiver_of(service).client()
    wait_for(lambda: client.export(b"", timeout=1).code == "OK", 30, "the OTLP port answers")
    return client


@pytest.fixture(scope="module")
def without_database() -> Iterator[Client]:
    """A client of a service whose database is away."""
    with own_service(DATABASE_URL=NOWHERE) as service:
        client = listening(service.start(wait=False))
        yield client
        client.channel.close()


def retry_delays(answer: Answer) -> list[float]:
    """Seconds: of `grpc-status-details-bin` and of `google.rpc.retryinfo-bin`, of those that are there."""
    delays = []
    if (details := answer.trailer("grpc-status-details-bin")) is not None:
        for detail in Status.FromString(details).details:
            retry = RetryInfo()
            if detail.Unpack(retry):
                delays.append(retry.retry_delay.ToTimedelta().total_seconds())
    if (direct := answer.trailer("google.rpc.retryinfo-bin")) is not None:
        delays.append(RetryInfo.FromString(direct).retry_delay.ToTimedelta().total_seconds())
    return delays


@pytest.mark.requirement("G2", "SHOULD")
def test_the_default_port(seen: Seen) -> None:
    """It listens there, or says that somebody else does."""
    with own_service(DATABASE_URL=NOWHERE) as service:
        del service.environment["OTLP_GRPC_PORT"]
        service.start(wait=False)

        def ports() -> set[int]:
            try:
                return {connection.laddr.port for connection in psutil.Process(service.process.pid).net_connections("tcp")}
            except psutil.NoSuchProcess:
                return set()

        def known() -> bool:
            return 4317 in ports() or "cannot listen on 127.0.0.1:4317 (OTLP_GRPC_PORT)" in service.log.read_text()

        wait_for(known, 30, "port 4317, or a complaint that it is taken")
    seen("port 4317")


@pytest.mark.requirement("G7", "RECOMMENDED")
@EVERY_SIGNAL
@pytest.mark.parametrize("form", EMPTY)
def test_an_empty_request_needs_no_database(without_database: Client, seen: Seen, signal: Signal, form: str) -> None:
    answer = without_database.export(empty_requests(signal)[form], signal)
    seen(f"without a database, {form}: {answer.code}")
    assert answer.code == "OK"


@pytest.mark.requirement("G10", "MUST")
@EVERY_SIGNAL
def test_a_database_that_is_away(without_database: Client, seen: Seen, signal: Signal) -> None:
    answer = without_database.export(signal.make(1), signal, timeout=2)
    seen(f"without a database: {answer.code}, RetryInfo {retry_delays(answer)}")
    assert answer.code in RETRYABLE - {"DEADLINE_EXCEEDED"}


SQLSTATES = {
    "57P01": "the database shuts down",
    "53100": "the disk is full",
    "53300": "too many connections",
    "40001": "a serialization failure",
    "40P01": "a deadlock",
    "55P03": "a lock timeout",
    "57014": "a statement timeout",
    "42P01": "a table is missing",
    "42501": "a permission is missing",
    "XX000": "an internal error",
    "P0001": "an error nobody foresaw",
}


@contextmanager
def raising(url: str, table: str, sqlstate: str) -> Iterator[None]:
    """Every statement that writes to `table` fails in this way."""
    execute(
        url,
        "CREATE OR REPLACE FUNCTION conformance_fault() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION 'fault' USING ERRCODE = '{sqlstate}'; END $$",
        f"CREATE TRIGGER conformance_fault BEFORE INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION conformance_fault()",
    )
    try:
        yield
    finally:
        execute(url, f"DROP TRIGGER conformance_fault ON {table}")


@pytest.fixture(scope="module")
def faulty(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    """A receiver whose database may be harmed."""
    server, name = request.getfixturevalue("server"), new_name("faulty")
    url = create(server, name, request.getfixturevalue("template"))
    try:
        with own_service(DATABASE_URL=url, DB_RETRY_MAX_ATTEMPTS="1") as service:
            receiver = receiver_of(service.start())
            client = receiver.client()
            assert client.export(traces()).code == "OK"
            client.channel.close()
            yield receiver
    finally:
        drop(server, name)


@pytest.mark.requirement("G10", "MUST")
@pytest.mark.requirement("G11", "MUST")
@pytest.mark.parametrize("sqlstate", SQLSTATES)
def test_an_error_of_the_database(faulty: Receiver, seen: Seen, sqlstate: str) -> None:
    """SQLSTATEs that say nothing about the data of the request."""
    client = faulty.client()
    request = traces()
    with raising(faulty.ours.dsn(), "llm_traces", sqlstate):
        answer = client.export(request, timeout=4)
    seen(f"{sqlstate} ({SQLSTATES[sqlstate]}): {answer.code}")
    assert answer.code in RETRYABLE - {"DEADLINE_EXCEEDED"}
    faulty.ours.wait_ready()
    assert client.export(request).code == "OK", "the retry is stored"
    client.channel.close()


@pytest.mark.requirement("G10", "MUST")
def test_a_table_that_is_locked(faulty: Receiver, seen: Seen) -> None:
    client = faulty.client()
    request = traces(4)
    before = faulty.rows("llm_traces")
    with psycopg.connect(faulty.ours.dsn()) as other:
        other.execute("LOCK TABLE llm_traces IN SHARE MODE")
        answer = client.export(request, timeout=5)
        other.rollback()
    seen(f"a table that is locked: {answer.code}")
    assert answer.code in RETRYABLE - {"DEADLINE_EXCEEDED"}
    wait_for(lambda: client.export(request).code == "OK", 20, "the retry is stored")
    assert faulty.rows("llm_traces") == before + 4
    client.channel.close()


@pytest.mark.requirement("G10", "MUST")
def test_connections_that_are_cut(faulty: Receiver, seen: Seen) -> None:
    """Between requests: the next one is stored, or comes again."""
    client = faulty.client()
    execute(
        faulty.ours.dsn(),
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    answer = client.export(traces())
    seen(f"connections cut: OK or retryable: {answer.code == 'OK' or answer.code in RETRYABLE}")
    assert answer.code == "OK" or answer.code in RETRYABLE
    faulty.ours.wait_ready()
    wait_for(lambda: client.export(traces()).code == "OK", 10, "the next one is stored")
    client.channel.close()


@pytest.mark.requirement("G12", "SHOULD")
@pytest.mark.requirement("G12", "RECOMMENDED")
def test_overload(faulty: Receiver, seen: Seen) -> None:
    """Writers stand still while 300 requests of 1 MiB come: most have no room."""
    payloads = [traces(1, name=f"{number}" + "x" * 2**20).SerializeToString() for number in range(8)]
    client = faulty.client()
    with psycopg.connect(faulty.ours.dsn()) as other:
        other.execute("LOCK TABLE llm_traces IN SHARE MODE")
        calls = [client.start(TRACES.method, payloads[number % 8], timeout=8) for number in range(300)]
        refused = answers_of(calls)
        other.rollback()
    codes = {answer.code for answer in refused}
    delays = {tuple(retry_delays(answer)) for answer in refused}
    seen(f"300 x 1 MiB at a standstill: {sorted(codes)}, RetryInfo in both trailers: {sorted(delays)}")
    assert codes == {"UNAVAILABLE"}
    for both in delays:
        assert len(both) == 2
        assert all(0 < delay <= 5 for delay in both)
    faulty.ours.wait_ready()
    wait_for(lambda: client.export(traces()).code == "OK", 30, "it has recovered")
    client.channel.close()


@pytest.mark.requirement("G12", "RECOMMENDED")
async def test_a_refusal_is_trailers_only(without_database: Client, faulty: Receiver, seen: Seen) -> None:
    """One block of headers, which Java insists on (opentelemetry-java#8843)."""
    url = faulty.ours.dsn()
    with raising(url, "llm_traces", "53100"):
        response = await exchange(faulty, frame(traces().SerializeToString()), [("grpc-timeout", "3S")])
    seen(f"{outcome(response)} in {response.header_blocks} block of headers")
    assert outcome(response) == "UNAVAILABLE"
    assert response.header_blocks == 1


class Sender(threading.Thread):
    """Sends one request after the other until the end, and keeps what became of each."""

    def __init__(self, client: Client, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[bytes] = []
        self.codes: set[str] = set()
        self._client, self._stopped = client, stop

    def run(self) -> None:
        while not self._stopped.is_set():
            request = traces(5)
            trace_id = request.resource_spans[0].scope_spans[0].spans[0].trace_id
            answer = self._client.export(request)
            self.codes.add(answer.code)
            if answer.code == "OK":
                self.acknowledged.append(trace_id)
            else:
                return


@pytest.mark.requirement("G20", "RECOMMENDED")
def test_sigterm_under_load(seen: Seen, database: str) -> None:
    """Every client sends until it is refused."""
    with own_service(DATABASE_URL=database) as service:
        receiver = receiver_of(service.start())
        clients = [receiver.client() for _ in range(8)]
        stop = threading.Event()
        senders = [Sender(client, stop) for client in clients]
        for sender in senders:
            sender.start()
        wait_for(lambda: sum(len(sender.acknowledged) for sender in senders) > 100, 60, "requests are acknowledged")
        status = service.terminate()
        stop.set()
        for sender in senders:
            sender.join(30)
        codes = set().union(*(sender.codes for sender in senders))
        for client in clients:
            client.channel.close()
    acknowledged = {trace_id.hex() for sender in senders for trace_id in sender.acknowledged}
    with psycopg.connect(database) as connection:
        stored = {row[0].hex for row in connection.execute("SELECT DISTINCT trace_id FROM llm_traces")}
    seen(f"exit {status}, acknowledged and not stored: {len(acknowledged - stored)}")
    seen(f"OK or retryable only: {codes <= {'OK', *RETRYABLE}}")
    assert status == 0
    assert acknowledged - stored == set()
    assert codes <= {"OK", *RETRYABLE}


@pytest.mark.requirement("G20", "RECOMMENDED")
def test_sigterm_while_a_call_is_inside(seen: Seen, database: str) -> None:
    """The call waits for a lock; health says that the end is near, and the call is answered."""
    with own_service(DATABASE_URL=database) as service:
        client = receiver_of(service.start()).client()
        assert client.export(traces()).code == "OK"
        with ThreadPoolExecutor(1) as pool, psycopg.connect(database) as other:
            other.execute("LOCK TABLE llm_traces IN SHARE MODE")
            inside = pool.submit(client.export, traces(3), timeout=20)
            waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            with psycopg.connect(database, autocommit=True) as look:
                wait_for(lambda: look.execute(waiting).rowcount > 0, 10, "the request waits for the table")
            service.process.terminate()
            wait_for(lambda: service.get("/health/ready")[0] == 503, 5, "it is draining")
            other.rollback()
            answer = inside.result(20)
        status = service.process.wait(30)
        client.channel.close()
    with psycopg.connect(database) as connection:
        [(count,)] = connection.execute("SELECT count(*) FROM llm_traces").fetchall()
    seen(f"the call inside: {answer.code}, stored: {count - 1} of 3, exit {status}")
    assert (answer.code, count, status) == ("OK", 4, 0)


@pytest.mark.requirement("G22", "RECOMMENDED")
@pytest.mark.parametrize("service", ["", *(signal.service for signal in SIGNALS)], ids=lambda service: service or "the server")
def test_health_without_a_database(without_database: Client, seen: Seen, service: str) -> None:
    stub: Any = health_pb2_grpc.HealthStub(without_database.channel)
    status = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status
    seen(f"without a database: {health_pb2.HealthCheckResponse.ServingStatus.Name(status)}")
    assert status == health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.mark.requirement("G21", "RECOMMENDED")
def test_a_port_in_use(seen: Seen, start_service: StartService) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        service = start_service(OTLP_GRPC_PORT=str(port))
        status = service.process.wait(30)
    said = f"cannot listen on 127.0.0.1:{port} (OTLP_GRPC_PORT)" in service.log.read_text()
    seen(f"OTLP_GRPC_PORT in use: exit {status}, said so: {said}")
    assert status == 1
    assert said


@pytest.mark.requirement("G21", "RECOMMENDED")
@pytest.mark.parametrize(
    "settings, word",
    [
        ({"OTLP_MAX_REQUEST_BYTES": "lots"}, "OTLP_MAX_REQUEST_BYTES"),
        ({"OTLP_GRPC_PORT": "99999"}, "OTLP_GRPC_PORT"),
        ({"OTLP_GRPC_PROT": "4317"}, "OTLP_GRPC_PROT"),
    ],
    ids=["no size", "no port", "a name that is misspelt"],
)
def test_a_wrong_setting(seen: Seen, start_service: StartService, settings: dict[str, str], word: str) -> None:
    service = start_service(**settings)
    status = service.process.wait(30)
    said = word in service.log.read_text()
    seen(f"{word}={settings[word]}: exit {status}, named: {said}")
    assert status != 0
    assert said
