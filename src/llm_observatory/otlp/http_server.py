"""The HTTP server of the OTLP port: uvicorn in our own event loop, its binding and its end."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvicorn

from llm_observatory.errors import ConfigError
from llm_observatory.otlp.http_connections import MAX_HTTP_CONNECTIONS, Connections
from llm_observatory.otlp.http_protocol import ConnectionLimits, OtlpHttpProtocol
from llm_observatory.otlp.http_receiver import HttpReceiver
from llm_observatory.serving.certificate import Certificate
from llm_observatory.serving.listen import listeners
from llm_observatory.serving.unix_socket import SocketFile, unix_listener

SOCKET_SETTING = "OTLP_HTTP_SOCKET"

MAX_HEAD_BYTES = 64 * 1024

STOP_SECONDS = 2.0
"""How long stopping waits, when every request is answered, for clients to take their answers."""


class EmbeddedServer(uvicorn.Server):
    """uvicorn inside a loop that is not its own: no signal handlers."""

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until `should_exit`."""
        await self._serve(sockets)


class TlsServer(EmbeddedServer):
    """With a limit for handshakes: uvicorn leaves them 60 s, in which each holds a descriptor and counts nowhere."""

    def __init__(self, config: uvicorn.Config, handshake_timeout: float) -> None:
        super().__init__(config)
        self._handshake_timeout = handshake_timeout

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does it with sockets that are given."""
        config, loop = self.config, asyncio.get_running_loop()
        make = cast("Any", config.http_protocol_class)
        protocol = partial(make, config=config, server_state=self.server_state, app_state=self.lifespan.state)
        self.servers = [
            await loop.create_server(
                protocol,
                sock=listener,
                ssl=config.ssl,
                ssl_handshake_timeout=self._handshake_timeout,
                backlog=config.backlog,
            )
            for listener in sockets or ()
        ]
        self.started = True


class HttpServer:
    """The server around one receiver."""

    def __init__(
        self,
        receiver: HttpReceiver,
        *,
        header_timeout: float,
        idle_timeout: float,
        max_age: float | None = None,
        max_connections: int = MAX_HTTP_CONNECTIONS,
        certificate: Certificate | None = None,
    ) -> None:
        self._receiver = receiver
        self._limits = ConnectionLimits(MAX_HEAD_BYTES, header_timeout, idle_timeout, max_age, Connections(max_connections))
        self._certificate = certificate
        self._servers: list[EmbeddedServer] = []
        self._serving: list[asyncio.Task[None]] = []
        self._socket_file: SocketFile | None = None

    async def start(
        self, host: str, port: int, setting: str = "OTLP_HTTP_PORT", *, share_port: bool = False, socket: Path | None = None
    ) -> int:
        """Bind and listen; port 0 takes a free one. `socket` is a unix socket beside it. Returns the port.

        Raises ConfigError that names address and setting.
        """
        sockets = await listeners(host, port, setting, share_port=share_port)
        try:
            servers = [(self._server(self._certificate), sockets)]
            if socket is not None:
                # Without TLS: who may open a file of ours needs none.
                servers.append((self._server(None), [unix_listener(socket, SOCKET_SETTING)]))
                self._socket_file = SocketFile(socket)
        except ConfigError:
            for listener in sockets:
                listener.close()
            raise
        for server, listening in servers:
            self._servers.append(server)
            self._serving.append(asyncio.create_task(server.serve(listening), name="otlp-http"))
        bound: int = sockets[0].getsockname()[1]
        return bound

    def _server(self, certificate: Certificate | None) -> EmbeddedServer:
        """For what listens already, with TLS where there is a certificate. Raises ConfigError for one that is not usable."""
        config = uvicorn.Config(
            cast("Any", self._receiver),
            http=cast("Any", partial(OtlpHttpProtocol, self._limits)),  # a class for uvicorn, which only calls it
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # Whoever sends a header must not be taken for somebody else.
            proxy_headers=False,
            timeout_graceful_shutdown=int(STOP_SECONDS),
            ssl_context_factory=None if certificate is None else lambda *_: certificate.ssl_context(),
        )
        # Here, and not in the task that serves: what is wrong with a certificate ends the start in words.
        config.load()
        return EmbeddedServer(config) if certificate is None else TlsServer(config, self._limits.header_timeout)

    async def stop(self, grace: float) -> None:
        """Refuse new requests, wait up to `grace` seconds for answers to those in flight, then close all connections.

        The caller lets ingest commit or fail what is in flight meanwhile.
        """
        entrance = self._receiver.entrance
        entrance.start_draining()
        # The gRPC server, which stops beside it, says which are cut off.
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await entrance.answered()
        for server in self._servers:
            server.should_exit = True
        try:
            for serving in self._serving:
                await serving
        finally:
            if self._socket_file is not None:
                self._socket_file.remove()
            self._receiver.close()
