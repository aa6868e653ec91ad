"""Spans of our own work, where SELF_TELEMETRY asks for them; until then there is no tracer, and a span costs nothing.

What fails is told by the kind of its error alone: messages of PostgreSQL quote values that clients sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

OWN = "llm_observatory.self_telemetry"
"""The attribute of the resource of what we export about ourselves. A request that has it near its beginning is such a one,
wherever it has been on its way: to write it makes no span, or one export would be the cause of the next for ever."""

_WHERE = 4096
_MARK = OWN.encode()

Value = str | int | float | bool
Kind = Literal["INTERNAL", "SERVER", "CLIENT"]

_NONE: AbstractContextManager[None] = nullcontext()


class Tracing:
    """The tracer, once there is one."""

    tracer: Tracer | None = None


def is_own(payload: bytes) -> bool:
    """Whether an OTLP request is about ourselves."""
    return _MARK in payload[:_WHERE]


def span(name: str, kind: Kind = "INTERNAL", attributes: Mapping[str, Value] | None = None) -> AbstractContextManager[None]:
    """A span around a block; a child of the one that is open in this task."""
    return _NONE if Tracing.tracer is None else _span(Tracing.tracer, name, kind, attributes)


@contextmanager
def _span(tracer: Tracer, name: str, kind: Kind, attributes: Mapping[str, Value] | None) -> Iterator[None]:
    from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415 - an extra of the distribution

    made = tracer.start_as_current_span(
        name, kind=SpanKind[kind], attributes=attributes, record_exception=False, set_status_on_exception=False
    )
    with made as current:
        try:
            yield
        except Exception as error:
            current.set_status(StatusCode.ERROR)
            current.set_attribute("error.type", type(error).__name__)
            raise
