"""The port of a gRPC server: bound on every address of a host, or a ConfigError that names address and setting."""

from __future__ import annotations

import os

import grpc

from llm_observatory.errors import ConfigError
from llm_observatory.serving.listen import addresses, bind_error, shown


async def bind(server: grpc.aio.Server, host: str, port: int, setting: str) -> int:
    """Bind `server`; port 0 takes a free one. Returns the port. Raises ConfigError."""
    for address in await addresses(host, port, setting):
        target = shown(address, port)
        try:
            port = server.add_insecure_port(target)
        except RuntimeError:
            raise ConfigError([f"cannot listen on {target} ({setting}): {_why_not(address, port)}"]) from None
    return port


def _why_not(address: str, port: int) -> str:
    """The reason in words: grpcio tells it only to its own log."""
    number = bind_error(address, port)
    return os.strerror(number) if number else "the address could not be bound"
