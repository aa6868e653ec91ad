"""Field bytes against bytes written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from llm_observatory.codec.reference import fields
from llm_observatory.tables.column import CONVERSIONS, OPS

pytestmark = pytest.mark.reference_codec


@pytest.mark.parametrize(
    "type_, value, expected",
    [
        ("bool", True, "00000001 01"),
        ("bool", False, "00000001 00"),
        ("int2", 7, "00000002 0007"),
        ("int2", -32768, "00000002 8000"),
        ("int8", 5, "00000008 0000000000000005"),
        ("int8", -1, "00000008 ffffffffffffffff"),
        ("int8", 2**63 - 1, "00000008 7fffffffffffffff"),
        ("float8", 1.5, "00000008 3ff8000000000000"),
        ("float8", -0.0, "00000008 8000000000000000"),
        ("text", "", "00000000"),
        ("text", "é", "00000002 c3a9"),
        ("bytea", b"\x00\xff", "00000002 00ff"),
        ("uuid", bytes(range(16)), "00000010 000102030405060708090a0b0c0d0e0f"),
        ("jsonb", b"{}", "00000003 01 7b7d"),
        ("timestamptz", 946_684_800_000_000, "00000008 0000000000000000"),
        ("timestamptz", 0, "00000008 fffca2fec4c82000"),
        ("date", 10_957, "00000004 00000000"),
        ("date", 0, "00000004 ffffd533"),
        ("text[]", [], "0000000c 00000000 00000000 00000019"),
        ("text[]", ["a", ""], "0000001d 00000001 00000000 00000019 00000002 00000001 00000001 61 00000000"),
        ("uuid[]", [bytes(16)], "00000028 00000001 00000000 00000b86 00000001 00000001 00000010" + " 00" * 16),
    ],
)
def test_field_bytes(type_: str, value: Any, expected: str) -> None:
    assert fields.encoder(type_)(value) == bytes.fromhex(expected)


def test_null() -> None:
    assert fields.nullable(fields.int8)(None) == bytes.fromhex("ffffffff")
    assert fields.nullable(fields.int8)(0) == fields.int8(0)


def test_capped_text_is_cut_on_a_character_boundary() -> None:
    encode = fields.encoder("text", 4)
    assert encode("abcd") == fields.text("abcd")
    assert encode("abcde") == fields.text("abcd")
    assert encode("abéé") == fields.text("abé")
    assert encode("abcé") == fields.text("abc")
    assert encode("🙂🙂") == fields.text("🙂")


def test_every_declared_type_has_an_encoder() -> None:
    assert {*OPS.values(), *CONVERSIONS.values()} == fields.ENCODERS.keys()


def test_small_integers_are_packed_like_all_others() -> None:
    for number in (0, 1, 1023, 1024, 1025):
        assert fields.int8(number)[4:] == number.to_bytes(8, "big")
        assert fields.int2(number)[4:] == number.to_bytes(2, "big")
