"""What every call of the query service goes through: its deadline, its statuses, its metrics.

Services raise; here it becomes a status. Where the time is up, or the client has left, the task of the call is cancelled, and
with it the statement that it waits for, in the database too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager, nullcontext
from typing import Any

import grpc
import structlog

from llm_observatory import metrics, spans
from llm_observatory.errors import (
    RETRY_AFTER_SECONDS,
    AccessDenied,
    InvalidQuery,
    ObservatoryError,
    PermissionDenied,
    QueryError,
    StorageError,
)
from llm_observatory.serving.grpc_port import authorization
from llm_observatory.serving.status import MESSAGE_MAX_CHARACTERS, Refusal, trailers_of
from llm_observatory.serving.tenant import ASKING_TENANT, single_tenant
from llm_observatory.serving.tokens import Authorization

log = structlog.get_logger(__name__)

PREFIX = "/llm_observatory.api."
"""Of the methods that are answered here; health and reflection answer by themselves."""

DEADLINE_SHARE = 0.95
"""Of what the client's deadline leaves: so that it hears DEADLINE_EXCEEDED with our words and not its own."""

Context = grpc.aio.ServicerContext[Any, Any]


class Answering(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    """`timeout` is QUERY_TIMEOUT in seconds. Streams of `endless` methods end with the call and have no deadline of ours."""

    def __init__(self, timeout: float, endless: frozenset[str] = frozenset(), tenant_of: Authorization = single_tenant) -> None:
        self._timeout = timeout
        self._tenant_of = tenant_of
        self._endless = endless
        self._open = 0
        self._none_open = asyncio.Event()
        self._none_open.set()

    async def answered(self) -> None:
        """Wait until no call is left but the endless ones."""
        await self._none_open.wait()

    @contextmanager
    def _counted(self, method: str) -> Iterator[None]:
        counts = method not in self._endless
        self._open += counts
        self._set_open()
        try:
            yield
        finally:
            self._open -= counts
            self._set_open()

    def _set_open(self) -> None:
        if self._open:
            self._none_open.clear()
        else:
            self._none_open.set()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        details: grpc.HandlerCallDetails,
    ) -> Any:
        """See grpc.aio.ServerInterceptor."""
        handler: Any = await continuation(details)  # the stubs know only behaviours of the thread-based server
        method = details.method
        if handler is None or not method.startswith(PREFIX):
            return handler
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._streaming(method, handler.unary_stream),
                request_deserializer=handler.request_deserializer,
                response_serializer=handler.response_serializer,
            )
        return grpc.unary_unary_rpc_method_handler(
            self._unary(method, handler.unary_unary),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _unary(self, method: str, behaviour: Callable[[Any, Context], Awaitable[Any]]) -> Callable[[Any, Context], Any]:
        async def answer(request: Any, context: Context) -> Any:
            with self._counted(method):
                try:
                    ASKING_TENANT.set(self._tenant(context))
                    async with asyncio.timeout(self._seconds(method, context)):
                        with self._span(method):
                            return await behaviour(request, context)
                except Exception as error:  # noqa: BLE001 - every one becomes a status
                    await _refuse(context, method, error)

        return answer

    def _streaming(self, method: str, behaviour: Callable[[Any, Context], AsyncGenerator[Any, None]]) -> Callable[..., Any]:
        # Not a generator: the time may be up while grpcio writes, and a task that is cancelled there leaves the client without
        # any status.
        async def answer(request: Any, context: Context) -> None:
            with self._counted(method):
                try:
                    ASKING_TENANT.set(self._tenant(context))
                    with self._span(method):
                        async with (
                            asyncio.timeout(self._seconds(method, context)),
                            aclosing(behaviour(request, context)) as messages,
                        ):
                            async for message in messages:
                                self._demand_still(context)
                                await context.write(message)
                except Exception as error:  # noqa: BLE001 - every one becomes a status
                    await _refuse(context, method, error)

        return answer

    def _tenant(self, context: Context) -> str:
        """Whose the call is. Raises AccessDenied."""
        return self._tenant_of(authorization(context))

    def _demand_still(self, context: Context) -> None:
        """A stream may outlive the token it was asked for with. Raises AccessDenied."""
        if self._tenant(context) != ASKING_TENANT.get():
            raise PermissionDenied("the token has become another tenant's")

    def _span(self, method: str) -> AbstractContextManager[None]:
        """Of a call that ends."""
        if method in self._endless:
            return nullcontext()
        name = method.removeprefix("/")
        return spans.span(name, "SERVER", {"rpc.system.name": "grpc", "rpc.method": name})

    def _seconds(self, method: str, context: Context) -> float | None:
        if method in self._endless:
            return None
        left: float | None = context.time_remaining()
        return self._timeout if left is None else min(self._timeout, left * DEADLINE_SHARE)


async def _refuse(context: Context, method: str, error: Exception) -> None:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    refusal = refusal_of(error)
    if not isinstance(error, ObservatoryError | TimeoutError):
        log.error("query failed unexpectedly", method=method, exc_info=error)
    metrics.QUERY_REFUSED.labels(method.rsplit("/", 1)[-1], refusal.code.name.lower()).inc()
    trailers: Any = trailers_of(refusal)
    await context.abort(refusal.code, refusal.message, trailers)


def refusal_of(error: Exception) -> Refusal:
    """What a client is told. Of errors from the storage nothing is quoted: a message names no table, host or SQL."""
    match error:
        case InvalidQuery():
            return Refusal(grpc.StatusCode.INVALID_ARGUMENT, str(error)[:MESSAGE_MAX_CHARACTERS], None, error.field)
        case AccessDenied() | QueryError():
            return Refusal(grpc.StatusCode[error.grpc_code], str(error)[:MESSAGE_MAX_CHARACTERS], None)
        case TimeoutError():
            return Refusal(
                grpc.StatusCode.DEADLINE_EXCEEDED, "the query took too long (QUERY_TIMEOUT, or the deadline of the call)", None
            )
        case StorageError(retryable=True):
            return Refusal(grpc.StatusCode.UNAVAILABLE, "the storage is not available, try again", RETRY_AFTER_SECONDS)
        case _:
            return Refusal(grpc.StatusCode.INTERNAL, "the query failed for an unexpected reason", None)
