"""What a transaction says before its COPY streams."""

from __future__ import annotations

import pytest

from llm_observatory.storage.direct_compress import LZ4, LZ4_MAX_BYTES, Columnstore, DirectCompress

ON = "SET LOCAL timescaledb.enable_direct_compress_copy = on"
OFF = "SET LOCAL timescaledb.enable_direct_compress_copy = off"


def test_a_commit_of_much_goes_without_lz4() -> None:
    assert Columnstore(1, lz4=True).for_bytes(LZ4_MAX_BYTES).lz4
    assert not Columnstore(1, lz4=True).for_bytes(LZ4_MAX_BYTES + 1).lz4
    assert not Columnstore(1, lz4=False).for_bytes(0).lz4


@pytest.mark.parametrize(
    "lz4, asked, said",
    [
        (True, [True, True], [ON, LZ4]),
        (False, [True, True], [ON]),
        (True, [False, False], [OFF]),
        (True, [False, True, False], [OFF, ON, LZ4, OFF]),
    ],
)
def test_what_changes_is_said_once(lz4: bool, asked: list[bool], said: list[str]) -> None:
    direct_compress = DirectCompress(Columnstore(1, lz4))
    assert [step.sql for on in asked for step in direct_compress.set(on=on)] == said
