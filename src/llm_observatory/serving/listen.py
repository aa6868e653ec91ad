"""Listening sockets: all addresses of a host, or a ConfigError that names address and setting."""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import ExitStack

from llm_observatory.errors import ConfigError

BACKLOG = 1024
"""Connections that the kernel keeps until they are taken."""


async def addresses(host: str, port: int, setting: str) -> list[str]:
    """The addresses of `host` that can be bound on this machine, in the order of the resolver."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError([f"cannot listen on {host}:{port} ({setting}, LISTEN_HOST): {error.strerror}"]) from None
    every = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    # A host without IPv6 still resolves localhost to ::1.
    usable = [address for address in every if bind_error(address, 0) != errno.EADDRNOTAVAIL]
    return usable or every


async def listeners(host: str, port: int, setting: str, *, share_port: bool = False) -> list[socket.socket]:
    """A listening socket for each address of `host`, all on the same port; 0 takes a free one."""
    with ExitStack() as opened:
        made: list[socket.socket] = []
        for address in await addresses(host, port, setting):
            listener = opened.enter_context(socket.socket(_family(address), socket.SOCK_STREAM))
            try:
                _bind(listener, address, port, share_port=share_port)
                listener.listen(BACKLOG)
            except OSError as error:
                raise ConfigError([f"cannot listen on {shown(address, port)} ({setting}): {error.strerror}"]) from None
            listener.setblocking(False)  # noqa: FBT003 - its signature
            port = listener.getsockname()[1]
            made.append(listener)
        opened.pop_all()
        return made


def bind_error(address: str, port: int) -> int:
    """The errno of binding it, 0 if it can be bound."""
    try:
        with socket.socket(_family(address), socket.SOCK_STREAM) as probe:
            _bind(probe, address, port, share_port=False)
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def shown(address: str, port: int) -> str:
    """Address and port as they stand in a URL."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _bind(listener: socket.socket, address: str, port: int, *, share_port: bool) -> None:
    # Fast restarts; on Linux it does not let two processes share the port.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if share_port:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if listener.family == socket.AF_INET6:
        # 0.0.0.0 has a socket of its own.
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((address, port))


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
