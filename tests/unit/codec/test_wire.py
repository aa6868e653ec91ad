"""The wire reader against upb: what one can read the other can."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from llm_observatory.codec.reference.wire import MAX_GROUP_DEPTH, Malformed, fields, varint

pytestmark = pytest.mark.reference_codec


def read(data: bytes) -> list[tuple[int, int, int]]:
    return list(fields(data, 0, len(data)))


@pytest.mark.parametrize("data, value", [(b"\x00", 0), (b"\x7f", 127), (b"\x80\x01", 128), (b"\xff" * 9 + b"\x01", 2**64 - 1)])
def test_varint(data: bytes, value: int) -> None:
    assert varint(data, 0, len(data)) == (value, len(data))


def test_every_wire_type() -> None:
    data = b"\x08\x96\x01" + b"\x11" + bytes(8) + b"\x1a\x02ab" + b"\x25" + bytes(4) + b"\x2b\x30\x01\x2c"
    assert read(data) == [(0x08, 1, 3), (0x11, 4, 12), (0x1A, 14, 16), (0x25, 17, 21), (0, 22, 22), (0, 23, 24), (0x2C, 25, 25)]


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a",  # no length
        b"\x0a\x02a",  # shorter than its length
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # a length near 2^64
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # 11 bytes of varint
        b"\x08\x80",  # a varint that goes on
        b"\x09\x00",  # 1 of 8 bytes
        b"\x0d\x00",  # 1 of 4 bytes
        b"\x00\x00",  # field number 0
        b"\x06",  # wire type 6
        b"\x07",  # wire type 7
        b"\x0b",  # a group without end
        b"\x0c",  # an end without group
        b"\x0b\x14",  # another group's end
        b"\xff\xff\xff\xff\xff\x7f",  # a tag beyond 32 bits
    ],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data)
    with pytest.raises(DecodeError):
        Status.FromString(data)


def test_deep_groups_are_refused_without_recursion() -> None:
    read(b"\x0b" * MAX_GROUP_DEPTH + b"\x0c" * MAX_GROUP_DEPTH)
    with pytest.raises(Malformed, match="deeply"):
        read(b"\x0b" * 1_000_000)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.binary(max_size=40))
def test_nothing_is_read_beyond_the_end(data: bytes) -> None:
    try:
        found = read(data)
    except Malformed:
        return
    assert all(0 <= start <= end <= len(data) for _, start, end in found)
