"""The two instrumentations of the demo, each with the dialect it speaks. Both are stock packages, used as their docs say."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from openinference.instrumentation.openai import OpenAIInstrumentor as OpenInferenceInstrumentor
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor as GenAIInstrumentor

_FOREIGN_PREFIXES = ("OTEL_", "OPENINFERENCE_", "OPENAI_")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")
_ENVIRONMENT = {
    # Without it the OpenTelemetry package records neither content nor the newest attributes.
    "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only",
}


class Instrumentor(Protocol):
    """What both packages give: the interface of OpenTelemetry's `BaseInstrumentor`."""

    def instrument(self, **kwargs: Any) -> None:
        """Patch the client library."""

    def uninstrument(self, **kwargs: Any) -> None:
        """Undo it."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to describe an LLM call, and the service name its spans carry."""

    name: str
    service_name: str
    instrumentor: Callable[[], Instrumentor]


DIALECTS = (
    Dialect("OpenTelemetry GenAI", "demo-opentelemetry", GenAIInstrumentor),
    Dialect("OpenInference", "demo-openinference", OpenInferenceInstrumentor),
)


def prepare_environment() -> None:
    """Make the run the same everywhere, and on this machine only: no proxies, no telemetry settings but our own."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN_PREFIXES) or name.lower() in _PROXIES:
            del os.environ[name]
    os.environ.update(_ENVIRONMENT)
