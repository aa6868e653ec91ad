"""What a transaction says before its COPY streams."""

from __future__ import annotations

import pytest

from llm_observatory.storage.direct_compress import LZ4, LZ4_MAX_BYTES, DirectCompress

ON = "SET LOCAL timescaledb.enable_direct_compress_copy = on"
OFF = "SET LOCAL timescaledb.enable_direct_compress_copy = off"


@pytest.mark.parametrize(
    "size, asked, said",
    [
        (LZ4_MAX_BYTES, [True, True], [ON, LZ4]),
        (LZ4_MAX_BYTES + 1, [True, True], [ON]),
        (0, [False, False], [OFF]),
        (0, [False, True, False], [OFF, ON, LZ4, OFF]),
    ],
)
def test_what_changes_is_said_once(size: int, asked: list[bool], said: list[str]) -> None:
    direct_compress = DirectCompress(size)
    assert [step.sql for on in asked for step in direct_compress.set(on=on)] == said
