"""A deadline on the client's side for whatever waits on a connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from llm_observatory.storage.connection import AsyncConnection


@contextmanager
def deadline(connection: AsyncConnection, seconds: float) -> Iterator[None]:
    """Sever `connection` when the block takes longer than `seconds`: what waits on it fails as a lost connection.

    Cancelling the task would not do: psycopg then asks the server to cancel and waits ten seconds for its word, which a frozen
    server never gives (3.3.9).
    """
    timer = asyncio.get_running_loop().call_later(seconds, sever, connection)
    try:
        yield
    finally:
        timer.cancel()


def sever(connection: AsyncConnection) -> None:
    """Shut the socket down under a connection."""
    if connection.closed:
        return
    try:
        with socket.socket(fileno=socket.dup(connection.pgconn.socket)) as duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)
    except (OSError, psycopg.Error):
        return  # gone already: whoever waits on it has been told
