"""A channel whose calls show a bearer token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import grpc

from llm_observatory.serving.grpc_port import AUTHORIZATION


def with_token(channel: grpc.Channel, token: str) -> grpc.Channel:
    """`channel`, whose calls show `token`. Credentials of grpc would do it over TLS alone."""
    return grpc.intercept_channel(channel, _Bearer(token))


class _Details(NamedTuple):
    """What a call goes by: grpc.ClientCallDetails, which is abstract."""

    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


class _Bearer(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    def __init__(self, token: str) -> None:
        self._shown = (AUTHORIZATION, f"Bearer {token}")

    def intercept_unary_unary(self, continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        return continuation(self._with_token(details), request)

    def intercept_unary_stream(self, continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        return continuation(self._with_token(details), request)

    def _with_token(self, details: Any) -> Any:
        metadata = (*(details.metadata or ()), self._shown)
        return _Details(
            details.method, details.timeout, metadata, details.credentials, details.wait_for_ready, details.compression
        )
