"""The Export method of one or more OTLP services over gRPC.

A unary handler is entered only when grpcio holds the whole message. `stream_unary` is entered before, is the same on the
wire, and reads the one message when the entrance asks for it. Every refusal is a status of `grpc_status.py`; a body that did
not come whole is never empty.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, cast

import grpc

from llm_observatory import metrics
from llm_observatory.errors import InvalidPayload
from llm_observatory.otlp.entrance import Arrival, Entrance
from llm_observatory.otlp.grpc_status import ServicerContext, refuse
from llm_observatory.otlp.refusal import UnexpectedErrors
from llm_observatory.pipeline.signal import Signal
from llm_observatory.serving.grpc_port import authorization
from llm_observatory.serving.tenant import single_tenant
from llm_observatory.serving.tokens import Authorization

TRANSPORT = "grpc"
METHOD = "Export"

UNIX = "unix:"
_unix_calls = itertools.count()
"""All clients of a unix socket have the same name with grpcio. Each call counts as a connection, or one would stop all."""


class UnreadableBody(InvalidPayload):
    """No whole message came, and grpcio lets nobody here know why.

    The stream ended or the client left, or grpcio refused the body (too large, bad gzip) and told the client itself.
    """


class GrpcReceiver:
    """The gRPC services before one entrance."""

    def __init__(self, entrance: Entrance, signals: Iterable[Signal], *, tenant_of: Authorization = single_tenant) -> None:
        self.signals = tuple(signals)
        self.entrance = entrance
        self._tenant_of = tenant_of
        self._unexpected = UnexpectedErrors()

    def handlers(self) -> tuple[grpc.GenericRpcHandler[Any, Any], ...]:
        """What `grpc.aio.Server.add_generic_rpc_handlers` takes."""
        return tuple(
            grpc.method_handlers_generic_handler(
                signal.grpc_service,
                # stream_unary is unary on the wire; without (de)serializers the messages are bytes.
                {METHOD: grpc.stream_unary_rpc_method_handler(cast("Any", self._behaviour(signal)))},
            )
            for signal in self.signals
        )

    def _behaviour(self, signal: Signal) -> Callable[[object, ServicerContext], Any]:
        async def export(_messages: object, context: ServicerContext) -> bytes:
            self.entrance.came()
            # After grpcio has sent the status: stopping the server when handlers are done would cut their answers off.
            context.add_done_callback(cast("Any", self._end))  # the stubs ask for a class, not a callable
            try:
                return await self.entrance.export(self._arrival(signal, context))
            except Exception as error:  # noqa: BLE001 - nothing may reach the client as UNKNOWN
                return await refuse(context, signal, error, self._unexpected)

        return export

    def _arrival(self, signal: Signal, context: ServicerContext) -> Arrival:
        # A client without a deadline gives None, which the stubs deny.
        remaining: float | None = context.time_remaining()
        tenant = self._tenant_of(authorization(context))
        return Arrival(signal, tenant, _connection(context), TRANSPORT, remaining, partial(_read, signal, context))

    def _end(self, _context: ServicerContext) -> None:
        self.entrance.gone()


def _connection(context: ServicerContext) -> str:
    peer = context.peer()
    return f"{peer}{next(_unix_calls)}" if peer == UNIX else peer


async def _read(signal: Signal, context: ServicerContext) -> bytes:
    """The one message of the call. An empty message is b"", the end of the stream is an error."""
    message: object = await context.read()
    if not isinstance(message, bytes):
        raise UnreadableBody("the request body ended before one whole message")
    metrics.REQUEST_BYTES.labels(signal.name, TRANSPORT, "protobuf").observe(len(message))
    return message
