"""COPY rows taken apart again: a field's bytes are also its binary parameter in an INSERT."""

from __future__ import annotations

from collections.abc import Sequence
from struct import error as StructError  # noqa: N812  # a class, named as one
from struct import unpack_from
from typing import TypeAlias

Fields: TypeAlias = Sequence[bytes | None]
"""One row: the binary fields of all columns of its table in their order, None for NULL."""


def tuple_fields(row: bytes) -> list[bytes | None]:
    """The fields of one COPY row, None for NULL. ValueError when the bytes are not exactly one row."""
    try:
        (count,) = unpack_from(">h", row)
    except StructError as error:
        raise ValueError("a COPY row begins with its column count") from error
    position = 2
    found: list[bytes | None] = []
    for _ in range(count):
        try:
            (length,) = unpack_from(">i", row, position)
        except StructError as error:
            raise ValueError("a COPY row ends within a field") from error
        position += 4
        if length < 0:
            found.append(None)
            continue
        found.append(row[position : position + length])
        position += length
    if position != len(row):
        raise ValueError("the bytes are not exactly one COPY row")
    return found
