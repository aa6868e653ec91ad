"""Connections over HTTP: heads that are too large or too slow, idle ones, pipelines, upgrades, the end."""

from __future__ import annotations

import asyncio
import time

import pytest

from llm_observatory.errors import Unauthenticated
from llm_observatory.metrics import REFUSED_REQUESTS
from llm_observatory.otlp.http_protocol import MAX_PIPELINED
from llm_observatory.otlp.http_server import MAX_HEAD_BYTES
from tests.contract.http.conftest import Http, Start
from tests.contract.http.connection import JSON, PROTOBUF, connected, head, post
from tests.contract.otlp.payloads import trace_request
from tests.contract.otlp.waiting import until

BODY = trace_request(3)


async def test_a_connection_serves_many_requests(http: Http) -> None:
    async with connected(http.port) as connection:
        for _ in range(1000):
            await connection.send(post(BODY))
            assert (await connection.answer()).status == 200
    assert http.ingest.exports == 1000


async def test_pipelined_requests_are_answered_in_their_order(http: Http) -> None:
    async with connected(http.port) as connection:
        await connection.send(post(BODY) + post(b"x", "/v1/nothing") + post(BODY) + head("/v1/logs", "GET"))
        assert [(await connection.answer()).status for _ in range(4)] == [200, 404, 200, 405]


@pytest.mark.parametrize("content_type", [PROTOBUF, "APPLICATION/JSON; charset=utf-8", "text/plain", None])
@pytest.mark.parametrize(
    "path, method, status",
    [("/v1/traces/", "POST", 404), ("/", "GET", 404), ("/v1/traces", "PUT", 405), ("/v1/logs", "OPTIONS", 405)],
)
async def test_a_refusal_is_a_status_in_the_encoding_of_the_request(
    http: Http, path: str, method: str, status: int, content_type: str | None
) -> None:
    answer = await http.ask(head(path, method, content_type=content_type))
    assert answer.status == status
    is_json = content_type is not None and "JSON" in content_type
    assert answer.headers["content-type"] == (JSON if is_json else PROTOBUF)
    assert b'"code":' in answer.body if is_json else answer.said
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize("content_type", ["text/plain", "application/jsonx", "", None])
async def test_another_content_type_is_refused(http: Http, content_type: str | None) -> None:
    assert (await http.ask(post(BODY, content_type=content_type))).status == 415


async def test_a_large_head_is_taken_and_a_larger_one_refused(http: Http) -> None:
    assert (await http.ask(post(BODY, x_large="a" * (MAX_HEAD_BYTES - 1000)))).status == 200
    answer = await http.ask(post(BODY, x_large="a" * MAX_HEAD_BYTES))
    assert (answer.status, answer.said) == (431, "the headers or trailers are too large")
    assert http.ingest.exports == 1


@pytest.mark.parametrize("beginning", [b"POST /v1/traces HTTP/1.1\r\nx: ", b"POST /"], ids=["header", "path"])
async def test_a_line_without_end_is_cut_off(http: Http, beginning: bytes) -> None:
    async with connected(http.port) as connection:
        await connection.send(beginning)
        sent = await connection.send_until_closed([b"a" * 10_000] * 600, pause=0.002)
    assert sent < 50 * MAX_HEAD_BYTES


@pytest.mark.parametrize(
    "sent", [b"", b"\r\n", b"POST /v1/traces HTTP/1.1\r\n", post(BODY)], ids=["nothing", "lines", "head", "idle"]
)
async def test_a_connection_without_a_request_ends(start: Start, sent: bytes) -> None:
    async with start(header_timeout=0.1, idle_timeout=0.1) as http, connected(http.port) as connection:
        await connection.send(sent)
        if sent.endswith(BODY):
            await connection.answer()
        assert await connection.closed()


async def test_an_old_connection_is_closed_by_its_next_answer(start: Start) -> None:
    async with start(max_age=0.2) as http, connected(http.port) as connection, connected(http.port) as idle:
        await connection.send(post(BODY))
        assert "connection" not in (await connection.answer()).headers
        assert not await connection.closed(within=0.3)
        await connection.send(post(BODY))
        answer = await connection.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert await connection.closed()
        # A refusal closes as well; in between nobody is disturbed.
        await idle.send(post(b"", "/v1/nothing"))
        answer = await idle.answer()
        assert (answer.status, answer.headers["connection"]) == (404, "close")


async def test_a_head_that_dribbles_ends_in_its_time(start: Start) -> None:
    async with start(header_timeout=0.3) as http, connected(http.port) as connection:
        began = time.monotonic()
        await connection.send_until_closed([bytes([letter]) for letter in head() * 10], pause=0.02)
        assert time.monotonic() - began > 0.2


async def test_a_request_that_is_served_has_no_clock_of_these(start: Start) -> None:
    async with start(header_timeout=0.05, idle_timeout=0.05) as http, connected(http.port) as connection:
        http.ingest.commit.clear()
        await connection.send(post(BODY) + post(BODY)[:30])
        await until(lambda: http.ingest.exports == 1)
        await asyncio.sleep(0.02)
        http.ingest.commit.set()
        assert (await connection.answer()).status == 200


@pytest.mark.parametrize(
    "rubbish", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET\r\n\r\n"]
)
async def test_what_is_no_http_is_told_so(http: Http, rubbish: bytes) -> None:
    reason = REFUSED_REQUESTS.labels("none", "invalid_http")
    before = reason._value.get()
    async with connected(http.port) as connection:
        await connection.send(rubbish)
        answer = await connection.answer()
        assert (answer.status, answer.said, answer.headers["connection"]) == (400, "this is not HTTP/1.1", "close")
        assert await connection.closed()
    assert reason._value.get() == before + 1


async def test_rubbish_in_the_middle_of_a_body_is_told_and_goes_nowhere(http: Http) -> None:
    async with connected(http.port) as connection:
        await connection.send(head(transfer_encoding="chunked", content_type=JSON) + b"zz\r\n")
        answer = await connection.answer()
        assert (answer.status, answer.headers["content-type"]) == (400, JSON)
        assert await connection.closed()
    await until(lambda: http.entrance.in_flight == 0)
    assert http.ingest.exports == 0


async def test_rubbish_behind_a_request_does_not_cost_its_answer(http: Http) -> None:
    http.ingest.commit.clear()
    async with connected(http.port) as connection:
        await connection.send(post(BODY) + b"rubbish\r\n\r\n")
        await until(lambda: http.ingest.exports == 1)
        http.ingest.commit.set()
        answer = await connection.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert await connection.closed()


async def test_trailers_are_not_kept_and_have_an_end(http: Http) -> None:
    chunks = head(transfer_encoding="chunked") + b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
    async with connected(http.port) as connection:
        await connection.send(chunks + b"x-checksum: 1\r\n\r\n")
        assert (await connection.answer()).status == 200
    for trailer in (b"x: " + b"a" * 5000 + b"\r\n", b"a" * 5000):
        async with connected(http.port) as connection:
            await connection.send(chunks)
            sent = await connection.send_until_closed([trailer] * 1000, pause=0.002)
            assert sent < 10 * MAX_HEAD_BYTES


async def test_a_head_counts_once_however_it_comes(http: Http) -> None:
    request = post(BODY, x_large="a" * (MAX_HEAD_BYTES - 2000))
    async with connected(http.port) as connection:
        for at in range(0, len(request), 4096):
            await connection.send(request[at : at + 4096])
            await asyncio.sleep(0.002)
        assert (await connection.answer()).status == 200
    large = post(trace_request(name_bytes=30_000), x_large="a" * 30_000)
    async with connected(http.port) as connection:
        await connection.send(large * 5)
        assert [(await connection.answer()).status for _ in range(5)] == [200] * 5


@pytest.mark.parametrize("coding", ["gzip", "identity", "gzip, chunked", "xchunked", "chunked, chunked"])
async def test_another_transfer_coding_is_refused(http: Http, coding: str) -> None:
    answer = await http.ask(head(transfer_encoding=coding) + b"0\r\n\r\n")
    assert answer.status == 400
    assert http.ingest.exports == 0


async def test_another_version_is_refused(http: Http) -> None:
    assert (await http.ask(post(BODY).replace(b"HTTP/1.1", b"HTTP/2.0"))).status == 400


async def test_headers_of_one_name_are_a_list(http: Http) -> None:
    request = post(BODY, content_encoding="identity").replace(b"host: x", b"host: x\r\ncontent-encoding: gzip")
    assert (await http.ask(request)).status == 415


async def test_more_requests_than_may_wait_are_not_read(http: Http) -> None:
    http.ingest.commit.clear()
    async with connected(http.port) as connection:
        await connection.send(post(BODY) + head("/v1/nothing", "GET", content_type=None) * 1000)
        await until(lambda: http.ingest.exports == 1)
        http.ingest.commit.set()
        answers = [await connection.answer() for _ in range(MAX_PIPELINED + 1)]
        assert [answer.status for answer in answers] == [200, *[404] * MAX_PIPELINED]
        assert answers[-1].headers["connection"] == "close"
        assert await connection.closed()


async def test_a_client_that_does_not_read_its_answers_is_left(start: Start) -> None:
    async with start(idle_timeout=0.3) as http, connected(http.port) as connection:
        request = head("/v1/nothing", "GET", content_type=None)
        await connection.send_until_closed([request * 90] * 3000, pause=0.001)
    await until(lambda: http.entrance.in_flight == 0)


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
async def test_an_offer_on_a_connection_that_closes_is_declined(http: Http, version: bytes) -> None:
    request = post(BODY, connection="close, Upgrade", upgrade="h2c").replace(b"HTTP/1.1", version)
    assert (await http.ask(request)).status == 200
    assert [payload for _, payload in http.ingest.exported] == [BODY]


async def test_empty_lines_do_not_keep_a_connection(start: Start) -> None:
    async with start(idle_timeout=0.3) as http, connected(http.port) as connection:
        await connection.send_until_closed([b"\r\n"] * 100, pause=0.05)


async def test_nobody_is_who_a_header_says(http: Http) -> None:
    async with connected(http.port) as stuck:
        await stuck.send(post(BODY, x_forwarded_for="203.0.113.9")[:-1])
        await until(lambda: http.entrance.reading == 1)
        assert (await http.ask(post(BODY, x_forwarded_for="203.0.113.9"))).status == 200
        assert http.entrance.reading == 1


async def test_length_and_chunks_at_once_are_refused(http: Http) -> None:
    answer = await http.ask(head(transfer_encoding="chunked", content_length="5") + b"0\r\n\r\n")
    assert answer.status == 400
    assert http.ingest.exports == 0


async def test_a_client_may_shut_its_side_and_wait(http: Http) -> None:
    http.ingest.commit.clear()
    async with connected(http.port) as connection:
        await connection.send(post(BODY))
        connection.writer.write_eof()
        await until(lambda: http.ingest.exports == 1)
        http.ingest.commit.set()
        answer = await connection.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")


async def test_a_client_that_leaves_changes_nothing(http: Http) -> None:
    http.ingest.commit.clear()
    async with connected(http.port) as connection:
        await connection.send(post(BODY))
        await until(lambda: http.ingest.exports == 1)
    http.ingest.commit.set()
    await until(lambda: http.entrance.in_flight == 0)
    assert http.ingest.committed == [BODY]


async def test_stopping_answers_what_is_in_flight_and_refuses_what_is_new(start: Start) -> None:
    async with start() as http, connected(http.port) as busy, connected(http.port) as idle, connected(http.port) as late:
        http.ingest.commit.clear()
        await idle.send(post(BODY, "/v1/nothing"))
        await idle.answer()
        await busy.send(post(BODY))
        await until(lambda: http.ingest.exports == 1)
        stopping = asyncio.create_task(http.server.stop(5.0))
        await until(lambda: http.entrance.draining)
        await late.send(post(BODY))
        refused = await late.answer()
        assert (refused.status, refused.headers["retry-after"], refused.headers["connection"]) == (503, "1", "close")
        http.ingest.commit.set()
        answer = await busy.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert await idle.closed()
        await stopping
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", http.port)


def by_token(shown: str | None) -> str:
    if shown != "Bearer good":
        raise Unauthenticated("a token is needed")
    return "somebody"


async def test_who_is_not_known_is_told_before_the_body_is_read(start: Start) -> None:
    async with start(tenant_of=by_token) as http:
        answer = await http.ask(post(BODY, content_type="text/plain"))
        assert (answer.status, answer.said) == (401, "a token is needed")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert (await http.ask(post(BODY, authorization="Bearer good"))).status == 200
        assert http.ingest.tenants == {"somebody"}


async def test_an_error_nobody_foresaw_is_one_to_come_back_for(http: Http) -> None:
    http.ingest.failures.append(RuntimeError("secret"))
    answer = await http.ask(post(BODY))
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert "secret" not in answer.said


async def test_a_newcomer_has_the_place_of_who_idles_longest(start: Start) -> None:
    async with start(max_connections=3) as http, connected(http.port) as busy:
        http.ingest.commit.clear()
        await busy.send(post(BODY))
        await until(lambda: http.ingest.exports == 1)
        async with connected(http.port) as first, connected(http.port) as second:
            for one in (first, second):
                await one.send(post(b""))
                assert (await one.answer()).status == 200
            assert (await http.ask(post(b""))).status == 200
            assert await first.closed()
            await second.send(post(b""))
            assert (await second.answer()).status == 200
        http.ingest.commit.set()
        assert (await busy.answer()).status == 200


async def test_where_everybody_is_served_the_newcomer_goes(start: Start) -> None:
    async with start(max_connections=1) as http, connected(http.port) as busy:
        http.ingest.commit.clear()
        await busy.send(post(BODY))
        await until(lambda: http.ingest.exports == 1)
        async with connected(http.port) as other:
            assert await other.closed()
        http.ingest.commit.set()
        assert (await busy.answer()).status == 200
