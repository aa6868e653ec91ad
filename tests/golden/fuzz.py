"""Inputs of the native codec's fuzzer (`native/fuzz/codec.rs`): one byte that says how a request is encoded, then the request.

`python -m tests.golden.fuzz unpack FOLDER` writes the requests of the golden corpus there, and what is kept beside them in
`native/fuzz/corpus.txt`: inputs that reach what those do not, one a line, base64. `pack FOLDER` keeps what lies there.
"""

from __future__ import annotations

import argparse
from base64 import b64decode, b64encode
from collections.abc import Iterator
from hashlib import sha1
from pathlib import Path
from typing import NamedTuple

from llm_observatory.codec import Terms
from tests.golden.case import paths, read
from tests.unit.codec.spans import TERMS

CORPUS = Path(__file__).parents[2] / "native/fuzz/corpus.txt"
SIGNALS = ("traces", "metrics", "logs")
CONTENT_BYTES = (1024**2, 0, 40)
"""That are kept of an item of content."""


class Input(NamedTuple):
    """One request as the fuzzer has it encoded."""

    signal: str
    payload: bytes
    terms: Terms

    @classmethod
    def unpack(cls, data: bytes) -> Input:
        """As the fuzzer reads it; it passes over an input without a byte."""
        kept, signal = divmod(data[0], len(SIGNALS))
        terms = TERMS._replace(content_max_bytes=CONTENT_BYTES[kept % len(CONTENT_BYTES)])
        return cls(SIGNALS[signal], data[1:], terms)

    def pack(self) -> bytes:
        """The bytes; of other terms those that are nearest."""
        kept = next((place for place, most in enumerate(CONTENT_BYTES) if place and self.terms.content_max_bytes <= most), 0)
        return bytes([SIGNALS.index(self.signal) + len(SIGNALS) * kept]) + self.payload


def golden() -> Iterator[bytes]:
    """The golden requests."""
    return (Input(case.signal, case.payload, case.terms).pack() for case, _ in map(read, paths()))


def kept() -> Iterator[bytes]:
    """What was found."""
    return map(b64decode, CORPUS.read_text(encoding="ascii").split())


def main() -> None:
    """Unpack or pack."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden.fuzz", description=__doc__)
    parser.add_argument("what", choices=("unpack", "pack"))
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    if given.what == "unpack":
        given.folder.mkdir(parents=True, exist_ok=True)
        for data in [*golden(), *kept()]:
            (given.folder / sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)
        return
    found = {path.read_bytes() for path in given.folder.iterdir()} - {*golden(), b""}
    lines = sorted((b64encode(data).decode() for data in found), key=lambda line: (len(line), line))
    CORPUS.write_text("\n".join(lines) + "\n", encoding="ascii")
    print(f"{len(lines)} inputs, {CORPUS.stat().st_size / 1e3:.0f} kB")  # noqa: T201  # for people


if __name__ == "__main__":
    main()
