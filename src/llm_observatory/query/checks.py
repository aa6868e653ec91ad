"""Checks of single fields of a request: the value, or InvalidQuery that names the field and the limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llm_observatory.errors import InvalidQuery

if TYPE_CHECKING:
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper

MAX_TEXT_BYTES = 512
MAX_CHOICES = 100
TRACE_ID_BYTES, SPAN_ID_BYTES = 16, 8


def text(field: str, value: str, *, required: bool = False) -> str:
    """At most 512 bytes, without NUL: PostgreSQL has no text with one."""
    if required and not value:
        raise InvalidQuery(field, "is required")
    if len(value.encode()) > MAX_TEXT_BYTES:
        raise InvalidQuery(field, f"is longer than {MAX_TEXT_BYTES} bytes")
    if "\0" in value:
        raise InvalidQuery(field, "has a NUL character")
    return value


def texts(field: str, values: Sequence[str]) -> list[str]:
    """At most a hundred of them. An empty one stands for records that do not say."""
    if len(values) > MAX_CHOICES:
        raise InvalidQuery(field, f"has more than {MAX_CHOICES} entries")
    return [text(f"{field}[{place}]", value) for place, value in enumerate(values)]


def identifier(field: str, value: bytes, length: int) -> bytes | None:
    """An id of so many bytes, not all zero; None when it is not given."""
    return required_identifier(field, value, length) if value else None


def required_identifier(field: str, value: bytes, length: int) -> bytes:
    """An id of so many bytes, not all zero."""
    if not value:
        raise InvalidQuery(field, "is required")
    if len(value) != length:
        raise InvalidQuery(field, f"has {len(value)} bytes, not {length}")
    if not any(value):
        raise InvalidQuery(field, "is all zero")
    return value


def size(field: str, value: int, *, default: int, largest: int) -> int:
    """How many; 0 is the default."""
    if value < 0:
        raise InvalidQuery(field, "is negative")
    if value > largest:
        raise InvalidQuery(field, f"is above {largest}")
    return value or default


def enum(field: str, value: int, of: _EnumTypeWrapper[Any]) -> None:
    """One of those that the protocol has: proto3 lets any number through."""
    if value not in of.values():
        raise InvalidQuery(field, f"is {value}, which is none of {of.DESCRIPTOR.name}")
