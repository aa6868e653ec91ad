"""The codec in Rust (`native/`): the same rows and refusals, without the interpreter's lock. Another distribution, optional."""

from __future__ import annotations

from collections.abc import Generator
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from llm_observatory import tables
from llm_observatory.codec.request import EncodedRequest, EncodedTable, Rejection, Terms
from llm_observatory.errors import ConfigError, InvalidPayload
from llm_observatory.tables.spec import SPEC_VERSION

if TYPE_CHECKING:
    import llm_observatory_codec

INT64_MAX = 2**63 - 1


class Native:
    """The compiled codec, running one spec."""

    INLINE_MAX_BYTES: ClassVar[int] = 512 * 1024
    """1,000 spans, which take 1.3 ms with their digest; 512 of them (270 KB) cost 20 % more CPU of the service through the
    thread."""

    def __init__(self, spec: str = tables.SPEC) -> None:
        """ConfigError with the reason when there is none that can run the spec."""
        try:
            self._built = import_module("llm_observatory_codec")
        except ImportError as error:
            raise ConfigError([f"the native codec is not installed ({error})"]) from None
        if self._built.SPEC_VERSION != SPEC_VERSION:
            message = (
                f"the native codec {self._built.__version__} runs version {self._built.SPEC_VERSION} of the table spec, "
                f"this is version {SPEC_VERSION}: build it anew with `make setup`"
            )
            raise ConfigError([message])
        try:
            self._codec: llm_observatory_codec.Codec = self._built.Codec(spec)
        except self._built.Refused as error:
            raise ConfigError(list(error.args)) from None

    @property
    def version(self) -> str:
        """Of the distribution."""
        version: str = self._built.__version__
        return version

    def encode_stepwise(
        self, signal: str, tenant: str, payload: bytes, digest: bytes, now: int, terms: Terms
    ) -> Generator[None, None, EncodedRequest]:
        """See the doorway. One step: other threads run meanwhile."""
        yield from ()
        return self._encode(signal, tenant, payload, digest, now, terms)

    def _encode(self, signal: str, tenant: str, payload: bytes, digest: bytes, now: int, terms: Terms) -> EncodedRequest:
        # No record's time is further away than that.
        age = None if terms.max_age_us is None else min(terms.max_age_us, INT64_MAX)
        given = (age, min(terms.max_ahead_us, INT64_MAX), min(terms.content_max_bytes, INT64_MAX))
        try:
            made = self._codec.encode(signal, tenant, payload, digest, now, *given)
        except self._built.Malformed as error:
            broken = _invalid(error)
        else:
            return _encoded(*made)
        raise broken

    def count_items(self, signal: str, payload: bytes, limit: int) -> int:
        """See the doorway."""
        try:
            counted: int = self._built.count_items(signal, payload, limit)
        except self._built.Malformed as error:
            broken = _invalid(error)
        else:
            return counted
        raise broken

    def is_light(self, signal: str, payload: bytes, max_fields: int) -> bool:
        """See the doorway."""
        light: bool = self._built.is_light(signal, payload, max_fields)
        return light


def _invalid(reason: Exception) -> InvalidPayload:
    return InvalidPayload(f"the body is not an OTLP export request: {reason}")


def _encoded(
    made: tuple[tuple[str, int, tuple[bytes, ...]], ...], accepted: int, dimensions: Any, rejected: Any, *rest: Any
) -> EncodedRequest:
    rejected_by_rule, repaired, odd, min_time, max_time, hours, untimed = rest
    return EncodedRequest(
        tables=tuple(EncodedTable(*table) for table in made),
        accepted=accepted,
        dimensions=dimensions,
        rejected=tuple(Rejection(*each) for each in rejected),
        rejected_by_rule=rejected_by_rule,
        repaired=repaired,
        odd=odd,
        min_time=min_time,
        max_time=max_time,
        hours=hours,
        untimed=untimed,
    )
