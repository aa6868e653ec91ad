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

from llm_observatory.app.memory import DECODED_RECORD_BYTES, PER_BYTE_DECODED, PER_BYTE_READ
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
        assert await child.growth() < 4 * 8 * PER_BYTE_READ + 20


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


SLOTS = 4 * 8 * PER_BYTE_READ + 20


async def test_numbers_of_one_digit_in_json() -> None:
    """They become four times as large as protobuf. The text of a request with one such character has four bytes for each."""
    around = '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"\U0001f600","histogram":{"dataPoints":[%s]}}]}]}]}'
    point = '{"bucketCounts":[%s0]}' % ("0," * 100_000)
    body = (around % ",".join([point] * 40)).encode()
    async with receiver_process("slow", 8 * MIB, "http") as child:
        answers = await flood(child.port, 3, post(body, "/v1/metrics", content_type=JSON), 3)
        assert statuses(answers) == {413}
        assert "OTLP_MAX_REQUEST_BYTES" in answers[0].body.decode()
        assert await child.growth() < PER_BYTE_DECODED * 8 + SLOTS


@pytest.mark.parametrize("empty", [b"{},", b'"",'])
async def test_a_record_of_nothing_but_empty_values_in_json(empty: bytes) -> None:
    values = empty * (8 * MIB // len(empty) - 100)
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[%s{}]}]}]}]}' % values
    async with receiver_process("slow", 8 * MIB, "http") as child:
        answers = await flood(child.port, 3, post(body, content_type=JSON), 3)
        assert statuses(answers) <= {200, 503}
        assert await child.growth() < DECODED_RECORD_BYTES / MIB + PER_BYTE_DECODED * 8 + SLOTS
