"""The spec as the decoders need it, and the decoder of each signal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from llm_observatory.codec.reference.convert import Conversions
from llm_observatory.codec.reference.decode.columns import Columns
from llm_observatory.codec.reference.decode.log import LogDecoder
from llm_observatory.codec.reference.decode.point import PointDecoder
from llm_observatory.codec.reference.decode.source import Described, Dimensions, described
from llm_observatory.codec.reference.decode.span import SpanDecoder
from llm_observatory.codec.reference.program import OPS
from llm_observatory.codec.reference.spec import load
from llm_observatory.codec.rows import Fields


class Decoder(Protocol):
    """What differs between signals."""

    def request(self, rows: Iterable[Fields], dimensions: Dimensions, content: Iterable[Fields]) -> bytes:
        """The rows of the signal's fact table as an export request."""
        ...


class Program:
    """Everything compiled from one spec."""

    def __init__(self, text: str) -> None:
        spec = load(text, OPS, Conversions.NAMES)
        self._sources = Columns(spec.filled_by("resource.attributes", "dimension"))
        self._decoders: dict[str, Decoder] = {
            "traces": SpanDecoder(spec),
            "metrics": PointDecoder(spec),
            "logs": LogDecoder(spec),
        }

    def source(self, fields: Fields) -> Described:
        """A row of sources."""
        return described(self._sources.values(fields))

    def request(
        self,
        signal: str,
        rows: Iterable[Fields],
        dimensions: Mapping[str, Mapping[bytes, Fields]],
        content: Iterable[Fields],
    ) -> bytes:
        """The rows as an export request. ValueError for a signal that nobody knows."""
        if signal not in self._decoders:
            raise ValueError(f"no codec for the signal {signal!r}")
        return self._decoders[signal].request(rows, Dimensions(self._sources, dimensions), content)
