"""The two instrumentations of the demo, each with the dialect it speaks. Both are stock packages, used as their docs say."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from openinference.instrumentation.openai import OpenAIInstrumentor as OpenInferenceInstrumentor
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor as GenAIInstrumentor

_FOREIGN_PREFIXES = ("OTEL_", "OPENINFERENCE_", "OPENAI_")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")
_ENVIRONMENT = {
    # Without it the OpenTelemetry package records no content, and writes no log record of a call.
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_and_event",
}


class Instrumentor(Protocol):
    """What both packages give: the interface of OpenTelemetry's `BaseInstrumentor`."""

    def instrument(self, **kwargs: Any) -> None:
        """Patch the client library."""

    def uninstrument(self, **kwargs: Any) -> None:
        """Undo it."""


class Emitted(NamedTuple):
    """How many items of each signal one run of the traffic makes."""

    spans: int
    logs: int = 0
    points: int = 0


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to describe an LLM call, and the service name its telemetry carries."""

    name: str
    service_name: str
    instrumentor: Callable[[], Instrumentor]
    emits: Emitted


DIALECTS = (
    # Spans: the application's own and one a call. Log records: one a chat and the application's own. Data points: durations
    # of five calls under four sets of labels, their tokens under five, and of the stream the first chunk and the others.
    Dialect("OpenTelemetry GenAI", "demo-opentelemetry", GenAIInstrumentor, Emitted(spans=6, logs=5, points=11)),
    Dialect("OpenInference", "demo-openinference", OpenInferenceInstrumentor, Emitted(spans=6)),
)


def prepare_environment() -> None:
    """Make the run the same everywhere, and on this machine only: no proxies, no telemetry settings but our own."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN_PREFIXES) or name.lower() in _PROXIES:
            del os.environ[name]
    os.environ.update(_ENVIRONMENT)
