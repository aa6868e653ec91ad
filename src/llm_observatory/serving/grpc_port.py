"""The port of a gRPC server: bound on every address of a host, or a ConfigError that names address and setting; who calls."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import grpc

from llm_observatory.errors import ConfigError
from llm_observatory.serving.certificate import Certificate
from llm_observatory.serving.listen import addresses, bind_error, shown

AUTHORIZATION = "authorization"

NEVER_SECONDS = 3600.0


def closing(server: grpc.aio.Server, grace: float) -> asyncio.Task[None]:
    """Refuse new calls from now on; those in flight go on.

    Within `grace` seconds `stop(None)` must end the rest; then await this.

    Its own timer must never run out: beside another `stop` that has ended, grpcio then cancels the calls of a server that is
    gone, and the process dies of it (1.85: one of two runs of the tests with a grace of 0).
    """
    return asyncio.create_task(server.stop(grace + NEVER_SECONDS))


def authorization(context: grpc.aio.ServicerContext[Any, Any]) -> str | None:
    """The metadata of this name, None where the call has none."""
    for name, value in context.invocation_metadata() or ():
        if name == AUTHORIZATION:
            return value if isinstance(value, str) else value.decode("latin-1")
    return None


async def bind(server: grpc.aio.Server, host: str, port: int, setting: str, certificate: Certificate | None = None) -> int:
    """Bind `server`, with TLS where there is a certificate; port 0 takes a free one. Returns the port. Raises ConfigError."""
    for address in await addresses(host, port, setting):
        target = shown(address, port)
        try:
            if certificate is None:
                port = server.add_insecure_port(target)
            else:
                port = server.add_secure_port(target, certificate.credentials())
        except RuntimeError:
            raise ConfigError([f"cannot listen on {target} ({setting}): {_why_not(address, port)}"]) from None
    return port


def _why_not(address: str, port: int) -> str:
    """The reason in words: grpcio tells it only to its own log."""
    number = bind_error(address, port)
    return os.strerror(number) if number else "the address could not be bound"
