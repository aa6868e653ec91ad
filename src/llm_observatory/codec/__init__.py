"""One doorway from OTLP bytes to database rows and back: pure functions, no I/O, the same bytes from every implementation.

`payload` is always the protobuf form of an Export*ServiceRequest. `now` is in microseconds since the Unix epoch.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from hashlib import blake2b
from typing import NamedTuple, Protocol

from llm_observatory import __version__
from llm_observatory.codec import reference
from llm_observatory.codec.answer import answer
from llm_observatory.codec.native import Native
from llm_observatory.codec.request import EncodedRequest, EncodedTable, Rejection, Terms
from llm_observatory.codec.rows import Fields, tuple_fields
from llm_observatory.errors import ConfigError


class Implementation(Protocol):
    """What stands behind the doorway; `decode` is the reference's alone."""

    @property
    def INLINE_MAX_BYTES(self) -> int:  # noqa: N802 - a constant of each
        """See `inline_max_bytes`."""
        ...

    def encode_stepwise(
        self, signal: str, tenant: str, payload: bytes, digest: bytes, now: int, terms: Terms
    ) -> Generator[None, None, EncodedRequest]:
        """See the doorway."""
        ...

    def count_items(self, signal: str, payload: bytes, limit: int) -> int:
        """See the doorway."""
        ...

    def is_light(self, signal: str, payload: bytes, max_fields: int) -> bool:
        """See the doorway."""
        ...


class Chosen(NamedTuple):
    """The implementation in use: `name` is native or reference; `instead_of_native` says why it is not native."""

    name: str
    version: str
    implementation: Implementation
    instead_of_native: str | None = None


def _choose(choice: str) -> Chosen:
    if choice not in ("auto", "native", "reference"):
        raise ConfigError([f"OBSERVATORY_CODEC: {choice!r} is none of auto, native, reference"])
    if choice == "reference":
        return Chosen("reference", __version__, reference)
    try:
        built = Native()
    except ConfigError as error:
        if choice == "native":
            raise ConfigError([f"OBSERVATORY_CODEC: {fault}; use auto or reference" for fault in error.faults]) from None
        return Chosen("reference", __version__, reference, "; ".join(error.faults))
    return Chosen("native", built.version, built)


_chosen = _choose("auto")


def select(choice: str) -> Chosen:
    """Use from now on what a setting (`auto`, `native`, `reference`) names; ConfigError when it is not there.

    `auto` is native where it is installed and runs the spec of `tables/`. Until something is selected it is `auto`.
    """
    global _chosen  # noqa: PLW0603  # the one switch of the process
    _chosen = _choose(choice)
    return _chosen


def chosen() -> Chosen:
    """The implementation in use."""
    return _chosen


def inline_max_bytes() -> int:
    """Payloads up to this size are worth no way to a thread: the event loop digests and encodes them itself (ADR 0028)."""
    return _chosen.implementation.INLINE_MAX_BYTES


def encode(signal: str, tenant: str, payload: bytes, digest: bytes, now: int, terms: Terms) -> EncodedRequest:
    """The request as rows. InvalidPayload when the outer framing is broken; bad records are rejected one by one.

    `digest` is that of the payload (see `digest`); ids of log records are made from it.
    """
    steps = encode_stepwise(signal, tenant, payload, digest, now, terms)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            encoded: EncodedRequest = done.value
            return encoded


def encode_stepwise(
    signal: str, tenant: str, payload: bytes, digest: bytes, now: int, terms: Terms
) -> Generator[None, None, EncodedRequest]:
    """`encode` in steps of about 256 KiB of payload, so that one thread can interleave requests.

    Native is one step, during which other threads run.
    """
    return _chosen.implementation.encode_stepwise(signal, tenant, payload, digest, now, terms)


def decode(
    signal: str,
    rows: Iterable[Fields],
    dimensions: Mapping[str, Mapping[bytes, Fields]],
    content: Iterable[Fields] = (),
) -> bytes:
    """Rows as OTLP again: the protobuf bytes of TracesData, MetricsData or LogsData, which are Export*ServiceRequests too.

    A row is the binary fields of all columns of its table in their order, None for NULL: what `tuple_fields` makes of a
    COPY row and what PostgreSQL sends in binary format. `rows` are of the signal's fact table. `dimensions` has by
    table name, then by id the rows they name; what is missing there comes back empty, for joins to sources are LEFT JOINs.
    `content` are the rows of content of the records. Resources, scopes and metrics come in the order in which the rows first
    name them, records in the order of the rows. ValueError for bytes that are no such rows. docs/fidelity.md says what
    comes back.
    """
    return reference.decode(signal, rows, dimensions, content)


def count_items(signal: str, payload: bytes, limit: int) -> int:
    """How many records the request holds, `limit + 1` as soon as it is certain that they are more than `limit`.

    The same when it holds more messages around its records than any client sends for `limit` of them. InvalidPayload when
    the outer framing is broken before that point. No record is parsed or copied.
    """
    return _chosen.implementation.count_items(signal, payload, limit)


def is_light(signal: str, payload: bytes, max_fields: int = 1000) -> bool:
    """Whether the levels around the records hold at most `max_fields` fields.

    Looks at no more than that many. A payload whose framing breaks before is light: it is refused as fast.
    """
    return _chosen.implementation.is_light(signal, payload, max_fields)


def digest(signal: str, tenant: str, payload: bytes) -> bytes:
    """What tells a retried request: BLAKE2b-128 over tenant and signal, each after its length, and the payload."""
    state = blake2b(digest_size=16)
    for part in (tenant.encode(), signal.encode()):
        state.update(len(part).to_bytes(4, "big"))
        state.update(part)
    state.update(payload)
    return state.digest()


__all__ = [
    "Chosen",
    "EncodedRequest",
    "EncodedTable",
    "Fields",
    "Implementation",
    "Native",
    "Rejection",
    "Terms",
    "answer",
    "chosen",
    "count_items",
    "decode",
    "digest",
    "encode",
    "encode_stepwise",
    "inline_max_bytes",
    "is_light",
    "select",
    "tuple_fields",
]
