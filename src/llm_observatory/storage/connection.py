"""How every connection of ours is opened: jit off, UTC, UTF8, TCP keepalives, a bounded connect."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
from psycopg import conninfo as libpq

from llm_observatory.storage.translate import translated

AsyncConnection = psycopg.AsyncConnection[tuple[Any, ...]]

Connect = Callable[[], Awaitable[AsyncConnection]]
"""How a part that owns a connection gets it. Raises StorageError."""

CONNECT_TIMEOUT_SECONDS = 10

UNIX_SEND_BYTES = 4 * 1024 * 1024
"""What a unix socket may hold on its way to the server; 208 KiB by default. A group of 2,600 spans has 1.6 MB, and was handed
over in eight pieces, each a wait of the server for the event loop. Linux gives twice `net.core.wmem_max` at most. TCP grows by
itself, to `net.ipv4.tcp_wmem`."""

APPLICATION_NAME = "llm-observatory-storage"

# jit: a trace by id over 30 chunks takes 2.7 s with it, 8-29 ms without.
_OPTIONS = "-c jit=off -c timezone=UTC"


def complete(conninfo: str, application_name: str) -> str:
    """`conninfo` (URL or keywords) with what all our connections share; what it sets itself wins, options are added.

    Not its encoding, nor that of PGCLIENTENCODING: the rows of a COPY are UTF-8, and from LATIN1 the server would make
    other text of them.
    """
    given = libpq.conninfo_to_dict(conninfo)
    defaults: dict[str, Any] = {
        "application_name": application_name,
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        # Unacknowledged data for this long ends the connection: a database that was cut off cannot hold a committer.
        "tcp_user_timeout": 20_000,
    }
    options = f"{given.pop('options', '') or ''} {_OPTIONS}".strip()
    return libpq.make_conninfo("", **{**defaults, **given, "options": options, "client_encoding": "UTF8"})


@asynccontextmanager
async def connected(conninfo: str, application_name: str = APPLICATION_NAME) -> AsyncIterator[AsyncConnection]:
    """As `connect`, for as long as the block runs."""
    connection = await connect(conninfo, application_name)
    try:
        yield connection
    finally:
        await connection.close()


async def connect(conninfo: str, application_name: str = APPLICATION_NAME) -> AsyncConnection:
    """Open one autocommit connection, statements never prepared by themselves. Raises StorageUnavailable.

    libpq keeps the text of what a server says while connecting and not its SQLSTATE (psycopg 3.3: `sqlstate` is None,
    `diag` is empty), so a refused login (28), a missing database (3D) and a server that is not there cannot be told
    apart without matching text, which servers translate. The driver's own words stay in `__cause__`.
    """
    with translated(silent="the database cannot be reached, or does not let this login in"):
        connection = await psycopg.AsyncConnection.connect(complete(conninfo, application_name), autocommit=True)
        _widen(connection)
    connection.prepare_threshold = None
    return connection


def _widen(connection: AsyncConnection) -> None:
    ours = socket.socket(fileno=connection.fileno())
    try:
        if ours.family == socket.AF_UNIX:
            with suppress(OSError):  # macOS refuses more than its limit (ENOBUFS), Linux gives what it may
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNIX_SEND_BYTES)
    finally:
        ours.detach()  # libpq's, it goes on with it
