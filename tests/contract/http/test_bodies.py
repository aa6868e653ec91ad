"""Bodies over HTTP: whole, inflated, within the limit; or thrown away so that the client hears why."""

from __future__ import annotations

import gzip
import sys
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships no stubs

from llm_observatory.errors import Overloaded
from llm_observatory.otlp.inflate import STEP_BYTES

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from tests.contract.http.conftest import LIMIT, Http, Start
from tests.contract.http.connection import JSON, chunked, connected, head, post
from tests.contract.otlp.payloads import trace_request
from tests.contract.otlp.waiting import until

BODY = trace_request(200)


def raw_deflate(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return made.compress(data) + made.flush()


def in_two(compress: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Data as two members, one behind the other."""
    return lambda data: compress(data[:1000]) + compress(data[1000:])


CODINGS = [
    pytest.param("gzip", gzip.compress, id="gzip"),
    pytest.param("GZIP ", gzip.compress, id="letter-case"),
    pytest.param("x-gzip", gzip.compress, id="x-gzip"),
    pytest.param("gzip", in_two(gzip.compress), id="gzip-in-two"),
    pytest.param("deflate", zlib.compress, id="deflate"),
    pytest.param("deflate", raw_deflate, id="bare-deflate"),
    pytest.param("zstd", zstd.compress, id="zstd"),
    pytest.param("zstd", in_two(zstd.compress), id="zstd-in-two"),
    pytest.param("identity", bytes, id="identity"),
]


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("coding, compress", CODINGS)
async def test_what_is_compressed_comes_out_in_whatever_pieces_it_came(
    http: Http, coding: str, compress: Callable[[bytes], bytes], size: int
) -> None:
    request = head(content_encoding=coding, transfer_encoding="chunked") + chunked(compress(BODY), size)
    answer = await http.ask(request)
    assert (answer.status, answer.body) == (200, b"")
    assert [payload for _, payload in http.ingest.exported] == [BODY]


@pytest.mark.parametrize("coding, compress", CODINGS[:8])
async def test_compressed_data_that_is_cut_or_corrupt_is_a_bad_request(
    http: Http, coding: str, compress: Callable[[bytes], bytes]
) -> None:
    whole = compress(BODY)
    for broken in (whole[:-1], whole[: len(whole) // 2], b"\xff" + whole[1:], b"no", whole + b"tail"):
        answer = await http.ask(post(broken, content_encoding=coding))
        assert answer.status == 400, broken[:20]
        assert Status.FromString(answer.body).code == 3
    assert http.ingest.exports == 0


async def test_an_unknown_coding_says_which_are_known(http: Http) -> None:
    for coding in ("br", "gzip, gzip", "snappy"):
        answer = await http.ask(post(BODY, content_encoding=coding))
        assert (answer.status, answer.headers["accept-encoding"]) == (415, "gzip, deflate, zstd")
    assert http.ingest.exports == 0


@pytest.mark.parametrize("send", ["length", "chunks"])
async def test_the_limit_is_exact(http: Http, send: str) -> None:
    def request(size: int) -> bytes:
        body = bytes(size)
        return post(body) if send == "length" else head(transfer_encoding="chunked") + chunked(body, 50_000)

    assert (await http.ask(request(LIMIT))).status == 200
    answer = await http.ask(request(LIMIT + 1))
    assert answer.status == 413
    assert "OTLP_MAX_REQUEST_BYTES" in answer.said


@pytest.mark.parametrize("coding, compress", CODINGS[:8])
async def test_the_limit_holds_for_what_is_inflated(http: Http, coding: str, compress: Callable[[bytes], bytes]) -> None:
    for size, status in ((LIMIT, 200), (LIMIT + 1, 413)):
        assert (await http.ask(post(compress(bytes(size)), content_encoding=coding))).status == status


@pytest.mark.parametrize("coding, compress", [CODINGS[0], CODINGS[6]])
async def test_a_bomb_is_not_inflated(http: Http, coding: str, compress: Callable[[bytes], bytes]) -> None:
    bomb = compress(bytes(256 * LIMIT))
    tracemalloc.start()
    try:
        answer = await http.ask(post(bomb, content_encoding=coding))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.status == 413
    assert peak < len(bomb) * 4 + 3 * LIMIT + 8 * STEP_BYTES


async def test_a_window_beyond_eight_mebibytes_is_refused(http: Http) -> None:
    option = zstd.CompressionParameter
    made = zstd.ZstdCompressor(options={option.window_log: 27, option.content_size_flag: 0})
    streamed = made.compress(BODY * 50) + made.flush()
    answer = await http.ask(post(streamed, content_encoding="zstd"))
    assert answer.status == 400
    assert "8 MiB" in answer.said


async def test_a_body_that_ends_early_is_nobodys_empty_request(http: Http) -> None:
    async with connected(http.port) as connection:
        await connection.send(post(BODY)[:-1])
        await until(lambda: http.entrance.reading == 1)
        connection.writer.close()
        await until(lambda: http.entrance.in_flight == 0)
    assert (http.ingest.exports, http.entrance.reading) == (0, 0)


async def test_a_body_that_stops_is_cut_off_and_comes_again(start: Start) -> None:
    async with start(read_deadline=0.05) as http, connected(http.port) as connection:
        request = post(BODY)
        await connection.send(request[:-1])
        await until(lambda: http.entrance.reading == 1)
        await until(lambda: http.entrance.reading == 0)
        await connection.send(request[-1:])
        answer = await connection.answer()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.said == "the request body did not arrive in time"
        # The connection goes on behind it.
        await connection.send(request)
        assert (await connection.answer()).status == 200


async def test_a_client_that_sends_all_before_it_reads_hears_why_it_is_refused(http: Http) -> None:
    http.ingest.admit_error = Overloaded()
    async with connected(http.port) as connection:
        for _ in range(2):
            await connection.send(post(bytes(LIMIT)))
            answer = await connection.answer()
            assert (answer.status, answer.headers.get("connection")) == (503, None)


async def test_an_endless_body_is_cut_off(http: Http) -> None:
    async with connected(http.port) as connection:
        await connection.send(head(transfer_encoding="chunked"))
        piece = b"40000\r\n" + bytes(0x40000) + b"\r\n"
        await connection.send_until_closed([piece] * 100, pause=0.01)


async def test_a_client_that_waits_to_be_told_to_continue_sends_no_body_in_vain(http: Http) -> None:
    async with connected(http.port) as connection:
        await connection.send(head(content_length=str(len(BODY)), expect="100-continue"))
        assert await connection.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await connection.send(BODY)
        assert (await connection.answer()).status == 200
    http.ingest.admit_error = Overloaded()
    async with connected(http.port) as connection:
        await connection.send(head(content_length=str(len(BODY)), expect="100-continue"))
        answer = await connection.answer()
        assert (answer.status, answer.headers["connection"]) == (503, "close")


@pytest.mark.parametrize("spans", [1, 500], ids=["on-the-loop", "in-the-thread"])
async def test_json_goes_in_as_protobuf(http: Http, spans: int) -> None:
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[%b]}]}]}' % b",".join([b'{"name":"x"}'] * spans)
    answer = await http.ask(post(body, content_type=JSON))
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, JSON, b"{}")
    (payload,) = [payload for _, payload in http.ingest.exported]
    assert payload.count(b"\x2a\x01x") == spans
