"""Resident memory of an HTTP receiver process under requests that would fill it."""

from __future__ import annotations

import asyncio
import sys
import zlib

import pytest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from llm_observatory.otlp.http_json import peak_bytes
from tests.contract.http.connection import JSON, Answer, connected, post
from tests.contract.otlp.conftest import MIB
from tests.contract.otlp.payloads import trace_request
from tests.contract.otlp.test_memory import receiver_process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of the resident size from /proc")


async def flood(port: int, requests: int, request: bytes, connections: int) -> list[Answer]:
    """So many requests at once, over separate connections; the answers."""
    answers: list[Answer] = []

    async def client(number: int) -> None:
        async with connected(port) as connection:
            for _ in range(number, requests, connections):
                await connection.send(request)
                answers.append(await connection.answer())

    await asyncio.gather(*map(client, range(connections)))
    return answers


def statuses(answers: list[Answer]) -> set[int]:
    return {answer.status for answer in answers}


async def test_refused_bodies_are_never_in_memory() -> None:
    async with receiver_process("refuse", 64 * MIB, "http") as child:
        assert statuses(await flood(child.port, 40, post(bytes(20 * MIB)), 10)) == {503}
        assert await child.growth() < 16


async def test_bodies_in_memory_are_as_many_as_slots() -> None:
    body = trace_request(name_bytes=8 * MIB)
    async with receiver_process("slow", 16 * MIB, "http") as child:
        answers = statuses(await flood(child.port, 40, post(body), 20))
        assert answers <= {200, 503}
        assert 200 in answers
        # 40 bodies are 320 MiB; four slots cost twice their bodies, and what they have read so far.
        assert await child.growth() < 4 * 8 * 3.2 + 20


def zlib_bomb(wbits: int) -> bytes:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return b"".join(squeeze.compress(bytes(MIB)) for _ in range(200)) + squeeze.flush()


def bomb_of(encoding: str) -> bytes:
    return zstd.compress(bytes(200 * MIB)) if encoding == "zstd" else zlib_bomb(31 if encoding == "gzip" else 15)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
async def test_bombs_do_not_unfold(encoding: str) -> None:
    bomb = bomb_of(encoding)
    async with receiver_process("slow", MIB, "http") as child:
        answers = await flood(child.port, 12, post(bomb, content_encoding=encoding), 4)
        assert statuses(answers) == {413}
        assert await child.growth() < 16


RECORDS = b'{"resourceSpans":[{"scopeSpans":[{"spans":[%b]}]}]}'
POINTS = b'{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"bucketCounts":[%b0]}]}}]}]}]}'


@pytest.mark.parametrize(
    "path, body, status",
    [
        ("/v1/traces", RECORDS % (b'{"attributes":[' + b'{"key":"a"},' * 600_000 + b"{}]}"), 200),
        ("/v1/traces", RECORDS % ('{"name":"\U0001f600'.encode() + b"x" * (7 * MIB) + b'"}'), 200),
        ("/v1/metrics", POINTS % (b"0," * (7 * MIB // 2)), 413),
        ("/v1/traces", b'{"x":[' + b"{}," * (2 * MIB) + b"0]}", 200),
        ("/v1/traces", RECORDS % (b"{}," * (2 * MIB) + b"{}"), 413),
    ],
    ids=["attributes", "text", "numbers", "unknown", "records"],
)
async def test_json_costs_no_more_than_is_said_of_it(path: str, body: bytes, status: int) -> None:
    limit = 8 * MIB
    async with receiver_process("slow", limit, "http") as child:
        answers = await flood(child.port, 8, post(body, path, content_type=JSON), 8)
        assert statuses(answers) <= {status, 503}
        assert status in statuses(answers)
        # One is read at a time; beside it four slots hold bodies.
        assert await child.growth() < (peak_bytes(limit) / MIB) + 4 * 8 * 3.2 + 20
