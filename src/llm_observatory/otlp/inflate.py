"""Content-Encoding: gzip, deflate and zstd, undone in steps of bounded size.

A body of some kilobytes may inflate to gigabytes. So output comes in steps of at most `STEP_BYTES`, and whoever takes them
stops when it is enough: what was not asked for is never made.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from llm_observatory.errors import InvalidPayload

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STEP_BYTES = 128 * 1024
"""About 0.2 ms of zlib."""

ZSTD_WINDOW_LOG_MAX = 23
"""8 MiB, what RFC 8878 (3.1.1.1.2) asks every decoder for; a frame may ask for gigabytes."""


class Decompressor(Protocol):
    """One member of a body: what zlib and zstd have in common."""

    @property
    def eof(self) -> bool:
        """Whether the member is over."""

    @property
    def unused_data(self) -> bytes:
        """What came behind it."""

    def step(self, data: bytes) -> bytes:
        """Some more output; call it with b"" until there is none, then with new data."""


class Inflater:
    """Inflates one body that comes in pieces."""

    def __init__(self, encoding: str, member: Callable[[bytes], Decompressor]) -> None:
        self.encoding = encoding
        self._make = member
        self._member: Decompressor | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` inflates to, step by step, with an empty step now and then. Raises InvalidPayload."""
        while data:
            if self._member is None:
                self._member = self._make(data)
            try:
                yield self._member.step(data)
                while not self._member.eof and (more := self._member.step(b"")):
                    yield more
            except (zlib.error, zstd.ZstdError):
                raise self._broken("is corrupt, or needs a window beyond 8 MiB") from None
            if not self._member.eof:
                return
            # A body may be made of several members: RFC 1952 (2.2), RFC 8878 (3.1).
            data, self._member = self._member.unused_data, None

    def end(self) -> None:
        """The body is over. InvalidPayload if the compressed data is not."""
        if self._member is not None:
            raise self._broken("ends too early")

    def _broken(self, how: str) -> InvalidPayload:
        return InvalidPayload(f"the {self.encoding} data of the body {how}")


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._made = zlib.decompressobj(window_bits)

    @property
    def eof(self) -> bool:
        return self._made.eof

    @property
    def unused_data(self) -> bytes:
        return self._made.unused_data

    def step(self, data: bytes) -> bytes:
        return self._made.decompress(data or self._made.unconsumed_tail, STEP_BYTES)


class _Zstd:
    def __init__(self) -> None:
        self._made = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG_MAX})

    @property
    def eof(self) -> bool:
        return self._made.eof

    @property
    def unused_data(self) -> bytes:
        return self._made.unused_data

    def step(self, data: bytes) -> bytes:
        return b"" if not data and self._made.needs_input else self._made.decompress(data, STEP_BYTES)


def _deflate(data: bytes) -> Decompressor:
    """`deflate` is data in a zlib wrapper (RFC 9110, 8.4.1.2), which the Python SDK sends; some clients send it bare."""
    wrapped = data[0] & 0x0F == zlib.DEFLATED and (len(data) == 1 or int.from_bytes(data[:2], "big") % 31 == 0)
    return _Zlib(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)


MEMBERS: dict[str, Callable[[bytes], Decompressor]] = {
    "gzip": lambda _data: _Zlib(16 + zlib.MAX_WBITS),
    "deflate": _deflate,
    "zstd": lambda _data: _Zstd(),
}
"""The codings that are undone, by their names in Content-Encoding."""

ALIASES = {"x-gzip": "gzip"}
"""RFC 9110 (8.4.1.3)."""


def inflater(encoding: str) -> Inflater | None:
    """What undoes this Content-Encoding; None where there is nothing to undo. KeyError for a coding that is not known."""
    name = encoding.strip().lower()
    name = ALIASES.get(name, name)
    return None if name in ("", "identity") else Inflater(name, MEMBERS[name])
