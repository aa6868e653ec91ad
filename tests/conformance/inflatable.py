"""Compressed bodies, sound and otherwise: bombs of every encoding, zstd without a library for it."""

from __future__ import annotations

import struct
import zlib

MIB = 2**20
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_BLOCK = 128 * 1024
_RAW, _RLE = 0, 1

GZIP, DEFLATE, RAW_DEFLATE = 31, 15, -15
"""The `wbits` of zlib for each."""


def compressed(data: bytes, wbits: int) -> bytes:
    """gzip, deflate as HTTP means it (with the zlib header), or raw."""
    squeeze = zlib.compressobj(6, zlib.DEFLATED, wbits)
    return squeeze.compress(data) + squeeze.flush()


def bomb(size: int, wbits: int) -> bytes:
    """`size` zeros, a thousand times smaller."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return b"".join(squeeze.compress(bytes(MIB)) for _ in range(size // MIB)) + squeeze.flush()


def _block(kind: int, size: int, content: bytes, *, last: bool) -> bytes:
    return struct.pack("<I", last | kind << 1 | size << 3)[:3] + content


def zstd(data: bytes) -> bytes:
    """A frame of blocks that are not compressed (RFC 8878, 3.1.1)."""
    header = struct.pack("<BI", 0b10100000, len(data))  # one segment, its size in four bytes
    pieces = [data[at : at + _ZSTD_BLOCK] for at in range(0, len(data), _ZSTD_BLOCK)] or [b""]
    blocks = [_block(_RAW, len(piece), piece, last=piece is pieces[-1]) for piece in pieces]
    return b"".join([_ZSTD_MAGIC, header, *blocks])


def zstd_bomb(size: int, window_log: int = 17) -> bytes:
    """`size` zeros as blocks of one repeated byte, four bytes each; the frame does not say how many it is."""
    blocks = size // _ZSTD_BLOCK
    written = (_block(_RLE, _ZSTD_BLOCK, b"\0", last=number == blocks - 1) for number in range(blocks))
    return b"".join([_ZSTD_MAGIC, bytes([0, (window_log - 10) << 3]), *written])
