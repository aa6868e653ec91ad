"""OTLP/gRPC: messages that are compressed, large, broken, or lie about it."""

from __future__ import annotations

import asyncio
import gzip
import random
import re

import pytest

from tests.conformance.conftest import StartService, receiver_of
from tests.conformance.frames import GZIP, Headers, exchange, outcome
from tests.conformance.inflatable import GZIP as GZIP_BITS
from tests.conformance.inflatable import MIB, bomb, compressed, zstd
from tests.conformance.receiver import RETRYABLE, Client, Receiver, Seen
from tests.conformance.signals import LOGS, SIGNALS, TRACES, Signal, padding, traces
from tests.plugins.service import wait_for
from tests.plugins.wire import RawResponse, frame

pytestmark = pytest.mark.timeout(180)

RETRY_INFO = ("grpc-status-details-bin", "google.rpc.retryinfo-bin")
INTERNALS = re.compile(
    r"psycopg|Traceback|\.py\b|site-packages|llm_|goroutine|\.go:|SELECT |COPY |/usr/|/home/|db\.invalid|canary"
)
"""What shows of the inside of a server: of ours, and of others."""


def refused_for_good(response: RawResponse) -> None:
    """Whatever the code: the client must not send it again."""
    assert response.status not in (0, None), outcome(response)
    assert outcome(response) not in RETRYABLE
    assert not any(name in response.headers for name in RETRY_INFO)


@pytest.mark.requirement("G3", "SHOULD")
@pytest.mark.parametrize("encoding", ["br", "zstd2"])
async def test_an_encoding_nobody_knows(receiver: Receiver, seen: Seen, encoding: str) -> None:
    body = frame(traces().SerializeToString(), compressed=True)
    response = await exchange(receiver, body, [("grpc-encoding", encoding)])
    accepted = response.headers.get("grpc-accept-encoding")
    seen(f"unknown encoding: {outcome(response)}, grpc-accept-encoding: {accepted}")
    assert outcome(response) == "UNIMPLEMENTED"
    assert accepted is not None


@pytest.mark.requirement("G3", "SHOULD")
@pytest.mark.parametrize("headers", [(), [("grpc-encoding", "identity")]], ids=["no encoding", "identity"])
async def test_a_compressed_flag_without_an_encoding(receiver: Receiver, seen: Seen, headers: Headers) -> None:
    response = await exchange(receiver, frame(gzip.compress(traces().SerializeToString()), compressed=True), headers)
    seen(f"compressed flag without encoding: {outcome(response)}")
    assert outcome(response) == "INTERNAL"


@pytest.mark.requirement("G3", "RECOMMENDED")
@pytest.mark.parametrize("encoding", ["zstd", "snappy"])
async def test_encodings_of_the_collector(receiver: Receiver, seen: Seen, encoding: str) -> None:
    data = traces().SerializeToString()
    literal = bytes([len(data) & 0x7F | 0x80, len(data) >> 7, 61 << 2, *(len(data) - 1).to_bytes(2, "little")]) + data
    body = {"zstd": zstd(data), "snappy": literal}[encoding]
    response = await exchange(receiver, frame(body, compressed=True), [("grpc-encoding", encoding)])
    seen(f"{encoding}: {outcome(response)}")
    assert outcome(response) == "OK"


@pytest.mark.requirement("G4", "MUST")
@pytest.mark.parametrize("over", [-1, 0, 1], ids=["one byte below", "at the limit", "one byte above"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_the_limit(receiver: Receiver, seen: Seen, over: int, encoding: str) -> None:
    data = padding(receiver.limit + over)
    packed = encoding == "gzip"
    body = frame(compressed(data, GZIP_BITS) if packed else data, compressed=packed)
    response = await exchange(receiver, body, [GZIP] if packed else [], within=60)
    seen(f"{encoding}, {over:+d} bytes: {outcome(response)}")
    assert outcome(response) == ("RESOURCE_EXHAUSTED" if over > 0 else "OK")
    assert not any(name in response.headers for name in RETRY_INFO)


@pytest.mark.requirement("G4", "MUST")
async def test_a_length_that_is_announced_is_enough(receiver: Receiver, seen: Seen) -> None:
    """Four gigabytes are refused when their length is here, not when they are."""
    response = await exchange(receiver, frame(bytes(1000), announced=2**32 - 1))
    seen(f"4 GiB announced: {outcome(response)}")
    assert outcome(response) == "RESOURCE_EXHAUSTED"


@pytest.mark.requirement("G4", "RECOMMENDED")
def test_64_mib_are_taken(receiver: Receiver, client: Client, seen: Seen) -> None:
    if receiver.service is None and receiver.limit != 64 * MIB:
        pytest.skip("--limit says that its limit was set")
    answer = client.export(padding(64 * MIB), timeout=60)
    seen(f"64 MiB: {answer.code}")
    assert answer.code == "OK"


@pytest.mark.requirement("G4", "RECOMMENDED")
@pytest.mark.own_process("its memory")
async def test_bombs_cost_no_memory_beyond_the_limit(receiver: Receiver, seen: Seen) -> None:
    """One alone, then ten at once: some of them wait for longer than it is held, and are to come again."""
    body = frame(bomb(512 * MIB, GZIP_BITS), compressed=True)
    peaks = [receiver.ours.memory()]
    assert outcome(await exchange(receiver, body, [GZIP])) == "RESOURCE_EXHAUSTED"
    calls = [asyncio.create_task(exchange(receiver, body, [GZIP], within=90)) for _ in range(10)]
    while not all(call.done() for call in calls):
        await asyncio.wait(calls, timeout=0.02)
        peaks.append(receiver.ours.memory())
    assert {outcome(call.result()) for call in calls} <= {"RESOURCE_EXHAUSTED", "UNAVAILABLE"}
    growth = max(peaks) - peaks[0]
    seen(f"10 gzip bombs of 512 MiB: RESOURCE_EXHAUSTED, grew by less than 640 MiB: {growth < 640 * MIB}")
    assert growth < 640 * MIB, growth / MIB


BROKEN: dict[str, tuple[bytes, Headers]] = {
    "random bytes": (frame(random.Random(1).randbytes(500)), ()),
    "a field cut off": (frame(traces().SerializeToString()[:-3]), ()),
    "text": (frame(b'{"resourceSpans": []}'), ()),
    "a group that does not end": (frame(b"\x0b" * 50), ()),
    "a message cut off": (frame(traces().SerializeToString())[:-1], ()),
    "a prefix cut off": (frame(b"")[:3], ()),
    "no message": (b"", ()),
    "a length that is not kept": (frame(b"", announced=10), ()),
}

CORRUPT: dict[str, tuple[bytes, Headers]] = {
    "no gzip": (frame(b"not gzip", compressed=True), [GZIP]),
    "gzip cut off": (frame(gzip.compress(traces(50).SerializeToString())[:-12], compressed=True), [GZIP]),
    "gzip with a wrong checksum": (
        frame(gzip.compress(traces().SerializeToString())[:-8] + b"\0\0\0\0\1\0\0\0", compressed=True),
        [GZIP],
    ),
}


@pytest.mark.requirement("G9", "MUST")
@pytest.mark.parametrize("body", [*BROKEN, *CORRUPT])
async def test_what_cannot_be_decoded_is_refused_for_good(receiver: Receiver, seen: Seen, body: str) -> None:
    response = await exchange(receiver, *(BROKEN | CORRUPT)[body])
    seen(f"{body}: {outcome(response)}")
    refused_for_good(response)


@pytest.mark.requirement("G9", "RECOMMENDED")
@pytest.mark.parametrize("body", [*BROKEN, *CORRUPT])
async def test_its_code_is_invalid_argument(receiver: Receiver, seen: Seen, body: str) -> None:
    response = await exchange(receiver, *(BROKEN | CORRUPT)[body])
    seen(f"{body}: {outcome(response)}")
    assert outcome(response) == "INVALID_ARGUMENT"


@pytest.mark.requirement("G9", "MUST")
async def test_a_client_that_leaves_in_the_middle_is_forgotten(receiver: Receiver, client: Client, seen: Seen) -> None:
    for leave in ("RST_STREAM", "a connection that breaks"):
        async with receiver.frames() as frames:
            stream = await frames.call(TRACES.method)
            await frames.send(stream, frame(traces().SerializeToString())[:-1])
            if leave == "RST_STREAM":
                await frames.reset(stream)
            else:
                frames.break_off()
        answer = client.export(traces())
        assert answer.code == "OK"
        seen(f"after {leave}: {answer.code}")


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A few bytes flipped, a piece cut out, a piece doubled, or the end cut off."""
    changed = bytearray(data)
    match rng.randrange(4):
        case 0:
            for _ in range(rng.randint(1, 8)):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
        case 1:
            at = rng.randrange(len(changed))
            del changed[at : at + rng.randint(1, 20)]
        case 2:
            at = rng.randrange(len(changed))
            changed[at:at] = changed[at : at + rng.randint(1, 40)]
        case _:
            del changed[rng.randrange(len(changed)) :]
    return bytes(changed)


@pytest.mark.requirement("G11", "RECOMMENDED")
@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_no_input_is_unknown_or_ends_the_process(client: Client, seen: Seen, signal: Signal) -> None:
    """Requests with something changed at random: the same ones in every run."""
    rng = random.Random(signal.name)
    codes = {client.export(mutated(signal.make(3).SerializeToString(), rng), signal).code for _ in range(300)}
    seen(f"{signal.name}, 300 mutated requests: OK or INVALID_ARGUMENT only: {codes <= {'OK', 'INVALID_ARGUMENT'}}")
    assert codes <= {"OK", "INVALID_ARGUMENT"}
    assert client.export(signal.make(1), signal).code == "OK"


@pytest.mark.requirement("G13", "RECOMMENDED")
@pytest.mark.parametrize("body", [*BROKEN, *CORRUPT])
async def test_a_refusal_shows_nothing_of_the_inside(receiver: Receiver, seen: Seen, body: str) -> None:
    response = await exchange(receiver, *(BROKEN | CORRUPT)[body])
    text = " ".join(f"{name}: {value}" for name, value in response.headers.items())
    seen(f"names of the inside: {INTERNALS.findall(text)}")
    assert not INTERNALS.findall(text)


@pytest.mark.requirement("G13", "RECOMMENDED")
@pytest.mark.own_process("a database that is not there")
def test_a_database_that_is_away_is_not_named(start_service: StartService, seen: Seen) -> None:
    service = start_service()
    wait_for(lambda: service.get("/health/live")[0] == 200, 30, "the sidecar answers")
    client = receiver_of(service).client()
    wait_for(lambda: client.export(b"", timeout=1).code == "OK", 15, "the OTLP port answers")
    answers = [client.export(signal.make(1), signal, timeout=1.5) for signal in (TRACES, LOGS)]
    client.channel.close()
    text = f"{[(answer.message, answer.trailers) for answer in answers]}"
    seen(f"without a database: {sorted({answer.code for answer in answers})}, names of the inside: {INTERNALS.findall(text)}")
    assert {answer.code for answer in answers} == {"UNAVAILABLE"}
    assert not INTERNALS.findall(text)


@pytest.mark.requirement("G4", "RECOMMENDED")
@pytest.mark.own_process("its setting")
def test_the_limit_is_a_setting(start_service: StartService, seen: Seen) -> None:
    service = start_service(OTLP_MAX_REQUEST_BYTES="1MiB")
    client = receiver_of(service).client()
    wait_for(lambda: client.export(b"", timeout=1).code == "OK", 30, "the OTLP port answers")
    codes = [client.export(padding(MIB + over)).code for over in (0, 1)]
    client.channel.close()
    seen(f"OTLP_MAX_REQUEST_BYTES=1MiB: at the limit {codes[0]}, one byte above {codes[1]}")
    assert codes == ["OK", "RESOURCE_EXHAUSTED"]
