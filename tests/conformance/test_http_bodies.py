"""OTLP/HTTP: bodies that are compressed, large, chunked, broken, slow, or lie about it; connections that are kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.conformance.conftest import NOWHERE, own_service, receiver_of
from tests.conformance.http_wire import JSON, PROTOBUF, Closed, Headers, Response, chunked, head, post
from tests.conformance.inflatable import DEFLATE, GZIP, MIB, RAW_DEFLATE, bomb, compressed, zstd, zstd_bomb
from tests.conformance.receiver import Receiver, Seen
from tests.conformance.signals import SIGNALS, Signal, padding, traces, unset
from tests.conformance.test_http_requests import EITHER, EVERY_SIGNAL, RETRYABLE, answers, encoded, parsed
from tests.plugins.service import wait_for

pytestmark = pytest.mark.timeout(240)

ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", lambda data: compressed(data, GZIP)),
    "deflate": ("deflate", lambda data: compressed(data, DEFLATE)),
    "raw deflate": ("deflate", lambda data: compressed(data, RAW_DEFLATE)),
    "zstd": ("zstd", zstd),
}
BOMBS: dict[str, Callable[[int], bytes]] = {
    "gzip": lambda size: bomb(size, GZIP),
    "deflate": lambda size: bomb(size, DEFLATE),
    "raw deflate": lambda size: bomb(size, RAW_DEFLATE),
    "zstd": zstd_bomb,
}


def packed(data: bytes, encoding: str) -> tuple[bytes, Headers]:
    """A body and the header that names its encoding."""
    name, encode = ENCODERS[encoding]
    return encode(data), [("content-encoding", name)]


def send_packed(receiver: Receiver, signal: Signal, content_type: str, encoding: str) -> Response:
    body, headers = packed(encoded(signal.make(20), content_type), encoding)
    return receiver.ask(post(signal.path, body, content_type, headers))


@pytest.mark.requirement("H8", "MUST")
@EVERY_SIGNAL
@EITHER
@pytest.mark.parametrize("name", ["gzip", "GZIP", "x-gzip", "identity"])
def test_gzip(receiver: Receiver, seen: Seen, signal: Signal, content_type: str, name: str) -> None:
    data = encoded(signal.make(20), content_type)
    body = data if name == "identity" else compressed(data, GZIP)
    response = receiver.ask(post(signal.path, body, content_type, [("content-encoding", name)]))
    seen(f"{name}: {response.status}")
    if name in ("x-gzip", "GZIP") and receiver.service is None and response.status in (400, 415):
        pytest.skip("RFC 9110 asks for this name of gzip, OTLP does not")
    assert response.status == 200
    assert unset(parsed(response, signal))


@pytest.mark.requirement("H8", "RECOMMENDED")
@EVERY_SIGNAL
@EITHER
@pytest.mark.parametrize("encoding", ["deflate", "raw deflate", "zstd"])
def test_other_encodings(receiver: Receiver, seen: Seen, signal: Signal, content_type: str, encoding: str) -> None:
    response = send_packed(receiver, signal, content_type, encoding)
    seen(f"{encoding}: {response.status}")
    assert response.status == 200
    assert unset(parsed(response, signal))


@pytest.mark.requirement("H8", "RECOMMENDED")
@EITHER
@pytest.mark.parametrize("name", ["br", "snappy", "gzip, gzip"])
def test_an_encoding_it_does_not_know(receiver: Receiver, seen: Seen, content_type: str, name: str) -> None:
    response = receiver.ask(post("/v1/traces", encoded(traces(), content_type), content_type, [("content-encoding", name)]))
    seen(f"{name}: {response.status}, accept-encoding: {response.headers.get('accept-encoding')}")
    assert response.status == 415
    assert "gzip" in response.headers.get("accept-encoding", "")


@pytest.mark.requirement("H8", "SHOULD")
@EITHER
@pytest.mark.parametrize("encoding", ENCODERS)
@pytest.mark.parametrize("fault", ["is something else", "is cut off"])
def test_a_body_that_does_not_inflate_is_400(
    receiver: Receiver, seen: Seen, content_type: str, encoding: str, fault: str
) -> None:
    body, headers = packed(encoded(traces(50), content_type), encoding)
    broken = b"\xff" * 500 if fault == "is something else" else body[: len(body) // 2]
    response = receiver.ask(post("/v1/traces", broken, content_type, headers))
    if receiver.service is None and response.status == 415:
        pytest.skip("it does not take this encoding")
    seen(f"{encoding} that {fault}: {response.status}")
    assert response.status == 400


@pytest.mark.requirement("H6", "MUST")
@pytest.mark.parametrize("over", [-1, 0, 1], ids=["one byte below", "at the limit", "one byte above"])
@pytest.mark.parametrize("form", ["Content-Length", "chunked", "gzip"])
def test_the_limit(receiver: Receiver, seen: Seen, over: int, form: str) -> None:
    data = padding(receiver.limit + over)
    if form == "chunked":
        request = chunked("/v1/traces", (data[at : at + MIB] for at in range(0, len(data), MIB)))
    elif form == "gzip":
        body, headers = packed(data, "gzip")
        request = post("/v1/traces", body, PROTOBUF, headers)
    else:
        request = post("/v1/traces", data)
    response = receiver.ask(request, within=60)
    seen(f"{form}, {over:+d} bytes: {response.status}")
    assert response.status == (413 if over > 0 else 200)


@pytest.mark.requirement("H6", "MUST")
@EITHER
def test_a_length_that_is_announced_is_enough(receiver: Receiver, seen: Seen, content_type: str) -> None:
    """Refused before the body is here. With Expect, which asks, it is not even sent for."""
    headers = [("content-type", content_type), ("content-length", str(1 << 40)), ("expect", "100-continue")]
    with receiver.connect() as connection:
        connection.send(head("/v1/traces", headers))
        assert not connection.continues(), "it asked for a body that it does not want"
        response = connection.response()
    seen(f"1 TiB announced: {response.status}")
    assert response.status == 413


@pytest.mark.requirement("H6", "MUST")
@EITHER
@pytest.mark.parametrize("encoding", BOMBS)
def test_a_bomb_is_413(receiver: Receiver, seen: Seen, content_type: str, encoding: str) -> None:
    headers = [("content-encoding", ENCODERS[encoding][0])]
    response = receiver.ask(post("/v1/traces", BOMBS[encoding](4 * receiver.limit), content_type, headers))
    if receiver.service is None and encoding != "gzip" and response.status in (400, 415):
        pytest.skip("it does not take this encoding")
    seen(f"a bomb of {encoding}: {response.status}")
    assert response.status == 413


@pytest.mark.requirement("H6", "RECOMMENDED")
def test_a_window_of_gigabytes_is_refused(receiver: Receiver, seen: Seen) -> None:
    """A zstd frame says how much memory it wants: RFC 8878, 3.1.1.1.2 asks for 8 MiB, not for 2 GiB."""
    response = receiver.ask(post("/v1/traces", zstd_bomb(4 * MIB, window_log=31), PROTOBUF, [("content-encoding", "zstd")]))
    if receiver.service is None and response.status == 415:
        pytest.skip("it does not take this encoding")
    seen(f"zstd with a window of 2 GiB: {response.status}")
    assert response.status in (400, 413)


@pytest.mark.requirement("H6", "RECOMMENDED")
@pytest.mark.own_process("its memory")
@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_bombs_cost_no_memory_beyond_the_limit(receiver: Receiver, seen: Seen, encoding: str) -> None:
    """Ten at once: some of them may wait for longer than they are held, and are to come again."""
    request = post("/v1/traces", BOMBS[encoding](256 * MIB), PROTOBUF, [("content-encoding", ENCODERS[encoding][0])])
    peaks = [receiver.ours.memory()]
    with ThreadPoolExecutor(10) as pool:
        calls = [pool.submit(receiver.ask, request, 60) for _ in range(10)]
        while not all(call.done() for call in calls):
            time.sleep(0.02)
            peaks.append(receiver.ours.memory())
    statuses = {call.result().status for call in calls}
    growth = max(peaks) - peaks[0]
    seen(f"10 bombs of {encoding}: 413 or 503 only: {statuses <= {413, 503}}, grew by less than 640 MiB: {growth < 640 * MIB}")
    assert statuses <= {413, 503}
    assert growth < 640 * MIB, growth / MIB


@pytest.mark.requirement("H17", "SHOULD")
@EITHER
def test_chunks(receiver: Receiver, seen: Seen, content_type: str) -> None:
    """Of one byte each, with an extension, and with a trailer."""
    data = encoded(traces(), content_type)
    small = receiver.ask(chunked("/v1/traces", (data[at : at + 1] for at in range(len(data))), content_type))
    headers = [("content-type", content_type), ("transfer-encoding", "chunked")]
    body = b"%x;name=value\r\n%s\r\n0\r\nx-trailer: 1\r\n\r\n" % (len(data), data)
    extended = receiver.ask(head("/v1/traces", headers) + body)
    seen(f"chunks of one byte: {small.status}; with extension and trailer: {extended.status}")
    assert (small.status, extended.status) == (200, 200)


@pytest.mark.requirement("H17", "SHOULD")
@EITHER
def test_expect_100_continue(receiver: Receiver, seen: Seen, content_type: str) -> None:
    data = encoded(traces(), content_type)
    headers = [("content-type", content_type), ("content-length", str(len(data))), ("expect", "100-continue")]
    with receiver.connect() as connection:
        connection.send(head("/v1/traces", headers))
        continues = connection.continues()
        response = connection.send(data).response()
    seen(f"100 Continue: {continues}, then {response.status}")
    assert continues
    assert response.status == 200


@pytest.mark.requirement("H17", "MUST")
@EITHER
def test_1000_requests_on_one_connection(receiver: Receiver, seen: Seen, content_type: str) -> None:
    request = post("/v1/traces", encoded(b"" if content_type == PROTOBUF else b"{}", content_type), content_type)
    with receiver.connect() as connection:
        statuses = [connection.send(request).response().status for _ in range(1000)]
    seen(f"{statuses.count(200)} of 1000: 200")
    assert set(statuses) == {200}


@pytest.mark.requirement("H17", "MUST")
def test_pipelined_requests_are_answered_in_order(receiver: Receiver, seen: Seen) -> None:
    """All in one write, refused ones among them; each answer has the form of its request."""
    requests = [
        post("/v1/traces", encoded(traces(2), PROTOBUF)),
        post("/v1/logs", b"{", JSON),
        post("/v1/metrics", b"{}", JSON),
        post("/v1/nothing", b"xx"),
        post("/v1/traces", b""),
    ]
    with receiver.connect() as connection:
        connection.send(b"".join(requests))
        responses = [connection.response() for _ in requests]
    found = [(response.status, response.content_type) for response in responses]
    seen(f"{[status for status, _ in found]}")
    assert found[0] == found[4] == (200, PROTOBUF)
    assert found[1] == (400, JSON)
    assert found[2] == (200, JSON)
    assert found[3][0] == 404


@pytest.mark.requirement("H17", "MUST")
@EITHER
@pytest.mark.parametrize("refused", ["400", "404", "415"])
def test_a_refusal_does_not_cost_the_connection(receiver: Receiver, seen: Seen, content_type: str, refused: str) -> None:
    """A server that closes says so, and a client sees no reset."""
    body = b"\xff{" * 30_000
    request = {
        "400": post("/v1/traces", body, content_type),
        "404": post("/v1/nothing", body, content_type),
        "415": post("/v1/traces", body, content_type, [("content-encoding", "rot13")]),
    }[refused]
    with receiver.connect() as connection:
        response = connection.send(request).response()
        kept = response.headers.get("connection", "").lower() != "close"
        assert response.status == int(refused)
        if kept:
            assert connection.send(post("/v1/traces", b"")).response().status == 200
    seen(f"after {response.status} the connection is kept: {kept}")


@pytest.mark.requirement("H17", "MUST")
def test_connection_close_is_obeyed(receiver: Receiver, seen: Seen) -> None:
    with receiver.connect() as connection:
        response = connection.send(post("/v1/traces", b"", PROTOBUF, [("connection", "close")])).response()
        closed = connection.closed(5)
    seen(f"{response.status}, closed: {closed}")
    assert response.status == 200
    assert closed


SMUGGLED = {
    "two lengths": head("/v1/traces", [("content-type", PROTOBUF), ("content-length", "0"), ("content-length", "5")]),
    "a length that is no number": head("/v1/traces", [("content-type", PROTOBUF), ("content-length", "1x")]),
    "a negative length": head("/v1/traces", [("content-type", PROTOBUF), ("content-length", "-1")]),
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
    "a chunk of no size": head("/v1/traces", [("content-type", PROTOBUF), ("transfer-encoding", "chunked")]) + b"zz\r\n",
}


@pytest.mark.requirement("H7", "MUST")
@pytest.mark.parametrize("request_", SMUGGLED)
def test_what_is_no_request_is_refused_for_good(receiver: Receiver, seen: Seen, request_: str) -> None:
    with receiver.connect() as connection:
        try:
            response = connection.send(SMUGGLED[request_]).response()
        except Closed:
            seen(f"{request_}: closed")
            return
        closed = connection.closed(10)
    seen(f"{request_}: {response.status}, closed: {closed}")
    assert response.status == 400
    assert closed, "what follows could be taken for another request"


@pytest.mark.requirement("H5", "MUST")
@pytest.mark.parametrize("form", ["Content-Length", "chunked"])
def test_a_body_that_is_cut_off_is_never_a_success(receiver: Receiver, seen: Seen, form: str) -> None:
    """The client shuts its side in the middle of the body, at a place where the first half is a whole request."""
    data = encoded(traces(), PROTOBUF)
    twice = post("/v1/traces", data * 2) if form == "Content-Length" else chunked("/v1/traces", [data, data])
    with receiver.connect() as connection:
        connection.send(twice[: twice.rindex(data)])
        connection.end()
        try:
            status = connection.response(10).status
        except (Closed, TimeoutError):
            status = None
    seen(f"{form}, cut off: {status or 'closed'}")
    assert status is None or status >= 400
    assert receiver.ask(post("/v1/traces", data)).status == 200


@pytest.fixture(scope="module")
def without_database() -> Iterator[Receiver]:
    """A receiver whose database is away."""
    with own_service(DATABASE_URL=NOWHERE) as service:
        receiver = receiver_of(service.start(wait=False))
        wait_for(lambda: answers(receiver), 30, "the HTTP port answers")
        yield receiver


@pytest.fixture(scope="module")
def refused_for_now(without_database: Receiver) -> dict[tuple[Signal, str], Response]:
    """The answers to a request of each signal in either encoding. Each is held for four seconds: all at once."""
    kinds = [(signal, content_type) for signal in SIGNALS for content_type in (PROTOBUF, JSON)]
    requests = [post(signal.path, encoded(signal.make(1), content_type), content_type) for signal, content_type in kinds]
    with ThreadPoolExecutor(len(kinds)) as pool:
        return dict(zip(kinds, pool.map(without_database.ask, requests), strict=True))


@pytest.mark.requirement("H3", "MUST")
@pytest.mark.requirement("H4", "MUST")
@pytest.mark.requirement("H7", "MUST")
@pytest.mark.requirement("H7", "RECOMMENDED")
@pytest.mark.own_process("a database that is away")
@EVERY_SIGNAL
@EITHER
def test_trouble_of_the_database(
    refused_for_now: dict[tuple[Signal, str], Response], seen: Seen, signal: Signal, content_type: str
) -> None:
    response = refused_for_now[signal, content_type]
    status = response.error()
    seen(f"without a database: {response.status}, retry-after: {response.headers.get('retry-after')}")
    assert response.status in RETRYABLE
    assert response.content_type == content_type
    assert 1 <= int(response.headers["retry-after"]) <= 5
    assert status.message
    assert "canary" not in status.message
    assert "db.invalid" not in status.message


@pytest.mark.requirement("H7", "RECOMMENDED")
@pytest.mark.own_process("a database that is away")
@EVERY_SIGNAL
@EITHER
def test_an_empty_request_needs_no_database(without_database: Receiver, seen: Seen, signal: Signal, content_type: str) -> None:
    response = without_database.ask(post(signal.path, b"" if content_type == PROTOBUF else b"{}", content_type))
    seen(f"without a database, empty: {response.status}")
    assert response.status == 200


@pytest.mark.requirement("H7", "MUST")
@pytest.mark.requirement("H7", "RECOMMENDED")
@pytest.mark.own_process("a database that stands still")
def test_overload(seen: Seen, database: str) -> None:
    """Writers stand still while 50 requests of 1 MiB come: most have no room."""
    with own_service(DATABASE_URL=database, DB_RETRY_MAX_ATTEMPTS="1", INGEST_MAX_INFLIGHT_BYTES="16MiB") as service:
        receiver = receiver_of(service.start())
        requests = [post("/v1/traces", encoded(traces(1, name=f"{n}" + "x" * MIB), PROTOBUF)) for n in range(50)]
        with ThreadPoolExecutor(50) as pool, psycopg.connect(database) as other:
            other.execute("LOCK TABLE llm_traces IN SHARE MODE")
            responses = [call.result() for call in [pool.submit(receiver.ask, request, 60) for request in requests]]
            other.rollback()
        statuses = {response.status for response in responses}
        hints = {response.headers.get("retry-after") for response in responses}
        seen(f"50 x 1 MiB at a standstill: {sorted(statuses)}, retry-after: {sorted(map(str, hints))}")
        assert statuses <= RETRYABLE
        assert all(hint is not None and 1 <= int(hint) <= 5 for hint in hints)
        wait_for(lambda: receiver.ask(post("/v1/traces", encoded(traces(), PROTOBUF))).status == 200, 30, "it has recovered")


SLOW = ["head", "body", "nothing at all", "between requests"]


@pytest.fixture(scope="module")
def dribbled(receiver: Receiver) -> dict[str, str]:
    """How slow connections end, all at once. Others may wait for up to two minutes, ours was told to wait for less."""
    patience = 30 if receiver.service is not None else 120
    with ThreadPoolExecutor(len(SLOW)) as pool:
        return dict(zip(SLOW, pool.map(lambda slow: _dribble(receiver, slow, patience), SLOW), strict=True))


@pytest.mark.requirement("H19", "RECOMMENDED")
@pytest.mark.parametrize("slow", SLOW)
def test_a_connection_that_dribbles_is_ended(dribbled: dict[str, str], seen: Seen, slow: str) -> None:
    """A byte now and then."""
    seen(f"{slow}: {dribbled[slow]}")
    assert dribbled[slow] != "kept"


def _dribble(receiver: Receiver, slow: str, patience: float) -> str:
    data = encoded(traces(), PROTOBUF)
    request = post("/v1/traces", data)
    sent = {"head": 20, "body": len(request) - len(data) + 1, "nothing at all": 0, "between requests": 0}[slow]
    give_up = time.monotonic() + patience
    with receiver.connect() as connection:
        if slow == "between requests":
            assert connection.send(request).response().status == 200
        connection.send(request[:sent])
        while time.monotonic() < give_up:
            try:
                status = connection.response(0.3).status
            except Closed:
                return "closed"
            except TimeoutError:
                if slow in ("head", "body") and sent < len(request) - 2:
                    connection.send(request[sent : sent + 1])
                    sent += 1
            else:
                return f"{status}"
    return "kept"


@pytest.mark.requirement("H19", "RECOMMENDED")
def test_slow_connections_are_in_nobodys_way(receiver: Receiver, seen: Seen) -> None:
    """200 of them, each in the middle of a head or a body. Whoever comes meanwhile is served, at the latest when it retries."""
    data = encoded(traces(), PROTOBUF)
    request = post("/v1/traces", data)
    stuck = [receiver.connect() for _ in range(200)]
    try:
        for number, connection in enumerate(stuck):
            connection.send(request[:20] if number % 2 else request[:-1])
        statuses = [receiver.ask(post("/v1/traces", data)).status for _ in range(2)]
    finally:
        for connection in stuck:
            connection.__exit__()
    seen(f"beside 200 slow connections, second try: {statuses[1]}")
    assert statuses[0] in {200, *RETRYABLE}
    assert statuses[1] == 200


@pytest.mark.requirement("H19", "RECOMMENDED")
@pytest.mark.parametrize("form", ["one header", "many headers", "a path"])
def test_headers_have_a_size_limit(receiver: Receiver, seen: Seen, form: str) -> None:
    large = {
        "one header": head("/v1/traces", [("content-type", PROTOBUF), ("content-length", "0"), ("x-large", "x" * 2 * MIB)]),
        "many headers": head("/v1/traces", [("content-length", "0"), *((f"x-{n}", "x" * 100) for n in range(20_000))]),
        "a path": head("/v1/traces?" + "x" * 2 * MIB, [("content-length", "0")]),
    }[form]
    with receiver.connect() as connection:
        try:
            outcome = str(connection.send(large).response().status)
        except Closed:
            outcome = "closed"
    seen(f"2 MiB of {form}: {'refused' if outcome in ('closed', '400', '413', '414', '431') else outcome}")
    assert outcome in ("closed", "400", "413", "414", "431")


@pytest.mark.requirement("H19", "RECOMMENDED")
def test_ordinary_headers_are_no_trouble(receiver: Receiver, seen: Seen) -> None:
    """16 KiB: cookies, tokens, baggage."""
    headers = [(f"x-{number}", "x" * 1000) for number in range(16)]
    response = receiver.ask(post("/v1/traces", b"", PROTOBUF, headers))
    seen(f"16 KiB of headers: {response.status}")
    assert response.status == 200


@pytest.mark.requirement("H17", "MUST")
@pytest.mark.own_process("its end")
def test_connections_are_told_when_it_ends(seen: Seen, database: str) -> None:
    """A request that is inside at SIGTERM is answered, with Connection: close."""
    with own_service(DATABASE_URL=database) as service:
        receiver = receiver_of(service.start())
        assert receiver.ask(post("/v1/traces", encoded(traces(), PROTOBUF))).status == 200
        with receiver.connect() as connection, psycopg.connect(database) as other:
            other.execute("LOCK TABLE llm_traces IN SHARE MODE")
            connection.send(post("/v1/traces", encoded(traces(), PROTOBUF)))
            waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            with psycopg.connect(database, autocommit=True) as look:
                wait_for(lambda: look.execute(waiting).rowcount > 0, 10, "the request waits for the table")
            service.process.terminate()
            wait_for(lambda: service.get("/health/ready")[0] == 503, 5, "it is draining")
            other.rollback()
            response = connection.response()
        status = service.process.wait(30)
    seen(f"inside at SIGTERM: {response.status}, connection: {response.headers.get('connection')}, exit {status}")
    assert response.status == 200
    assert response.headers.get("connection", "").lower() == "close"
    assert status == 0


@pytest.mark.requirement("H17", "MUST")
@pytest.mark.own_process("rows")
@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_pipelined_requests_are_each_stored(receiver: Receiver, seen: Seen, signal: Signal) -> None:
    before = receiver.rows(signal.table)
    with receiver.connect() as connection:
        connection.send(b"".join(post(signal.path, encoded(signal.make(2), PROTOBUF)) for _ in range(20)))
        assert {connection.response().status for _ in range(20)} == {200}
    seen(f"{signal.table}: {receiver.rows(signal.table) - before} rows of 40")
    assert receiver.rows(signal.table) == before + 40
