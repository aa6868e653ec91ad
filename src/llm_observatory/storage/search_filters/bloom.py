"""Bloom filters: sets of entries that may say yes of what is not in them, and never no of what is.

With ten bits an entry and four of them set, one of eighty answers is a yes without reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

HASHES = 4
BITS_PER_ENTRY = 10
SMALLEST_BYTES, LARGEST_BYTES = 8, 4 * 1024 * 1024
"""Three million entries fit well into the largest; with more it says yes more often."""

COUNTED_ENTRIES = 500_000
"""Up to so many are kept apart to make a filter of their size (about 30 MB); beyond, the largest is filled as they come."""


def fingerprint(entry: bytes) -> int:
    """64 bits that stand for an entry; the same on every machine and in every version."""
    return int.from_bytes(blake2b(entry, digest_size=8).digest(), "big")


def steps(value: int) -> tuple[int, int]:
    """From a fingerprint the first position and the step to the next ones, before they are taken modulo the size."""
    return value >> 32, value & 0xFFFFFFFF | 1


class Builder:
    """A filter in the making."""

    def __init__(self) -> None:
        self._apart: set[int] = set()
        self._bits: bytearray | None = None

    def add(self, value: int) -> None:
        """A fingerprint."""
        if self._bits is not None:
            _set(self._bits, value)
            return
        self._apart.add(value)
        if len(self._apart) > COUNTED_ENTRIES:
            self._bits = self._filled(LARGEST_BYTES)
            self._apart.clear()

    def finish(self) -> bytes:
        """The filter."""
        if self._bits is None:
            self._bits = self._filled(max(SMALLEST_BYTES, -(-len(self._apart) * BITS_PER_ENTRY // 8)))
        return bytes(self._bits)

    def _filled(self, size: int) -> bytearray:
        bits = bytearray(size)
        for value in self._apart:
            _set(bits, value)
        return bits


def may_hold(bits: bytes, value: int) -> bool:
    """Whether the entry of this fingerprint may be in the filter: what `sql/hours_without.sql` asks the database."""
    return all(bits[place >> 3] >> (place & 7) & 1 for place in _positions(value, len(bits)))


def _positions(value: int, size: int) -> Iterator[int]:
    first, step = steps(value)
    for number in range(HASHES):
        yield (first + number * step) % (size * 8)


def _set(bits: bytearray, value: int) -> None:
    for place in _positions(value, len(bits)):
        bits[place >> 3] |= 1 << (place & 7)
