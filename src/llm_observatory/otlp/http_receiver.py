"""OTLP/HTTP: POST of protobuf or JSON to a path a signal, as an ASGI application.

A request is judged by its headers, then enters as every other does (`entrance.py`). JSON is written as protobuf when its
body is read (`http_json.py`), and goes the same way from there. Whatever the answer, the body is taken off the connection
first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import partial
from typing import Any, NamedTuple

from llm_observatory import metrics
from llm_observatory.otlp import inflate, json
from llm_observatory.otlp.cors import Cors
from llm_observatory.otlp.entrance import Arrival, Entrance
from llm_observatory.otlp.http_body import Body, Receive, UnreadableBody
from llm_observatory.otlp.http_json import JsonReader
from llm_observatory.otlp.http_protocol import LAST_REQUEST
from llm_observatory.otlp.http_status import (
    Headers,
    MethodNotAllowed,
    NotFound,
    UnsupportedMediaType,
    headers_of,
    http_status_of,
)
from llm_observatory.otlp.refusal import NO_SIGNAL, UnexpectedErrors, count
from llm_observatory.pipeline.signal import Signal
from llm_observatory.serving.status import status_of
from llm_observatory.serving.tenant import single_tenant
from llm_observatory.serving.tokens import Authorization

TRANSPORT = "http"

PROTOBUF, JSON = "protobuf", "json"
ENCODINGS = {
    b"application/x-protobuf": PROTOBUF,
    b"application/protobuf": PROTOBUF,
    b"application/json": JSON,
}
"""By content type. The second is no OTLP, but what people write."""

CONTENT_TYPES = {PROTOBUF: b"application/x-protobuf", JSON: b"application/json"}

CLOSE = (b"connection", b"close")

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Scope = MutableMapping[str, Any]
RequestHeaders = Mapping[bytes, bytes]


class Answer(NamedTuple):
    """Status, body, its content type, and further headers."""

    status: int
    content: bytes
    content_type: bytes | None
    headers: Headers = ()


class _Request(NamedTuple):
    """One request. `encoding` is None where its content type is none of ours."""

    scope: Scope
    headers: RequestHeaders
    encoding: str | None
    body: Body


class HttpReceiver:
    """The application before one entrance. `paths` names the signal of each path."""

    def __init__(
        self,
        entrance: Entrance,
        paths: Mapping[str, Signal],
        *,
        max_request_bytes: int,
        max_items: int,
        cors: Cors,
        tenant_of: Authorization = single_tenant,
    ) -> None:
        self.entrance = entrance
        self._paths = paths
        self._limit = max_request_bytes
        self._cors = cors
        self._tenant_of = tenant_of
        self._unexpected = UnexpectedErrors()
        self._json = JsonReader(max_request_bytes, max_items)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, by ASGI (HTTP spec 2.3)."""
        headers = _by_name(scope["headers"])
        declared = headers.get(b"content-length")
        # Without either header there is no body (RFC 9112, 6.3).
        length = int(declared) if declared else None if b"transfer-encoding" in headers else 0
        announced = headers.get(b"expect", b"").lower() == b"100-continue"
        media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        body = Body(receive, length, self._limit, announced=announced)
        request = _Request(scope, headers, ENCODINGS.get(media_type), body)
        self.entrance.came()
        try:
            answer = await self._answer(request)
            goes_on = await body.discard() and not (self.entrance.draining or scope["state"][LAST_REQUEST])
            await _send(send, answer, (*self._cors.allowed(headers), *(() if goes_on else (CLOSE,))))
        except Exception as error:
            self._unexpected.log(NO_SIGNAL, error)
            raise
        finally:
            self.entrance.gone()

    def close(self) -> None:
        """End the thread that reads JSON, when no request is left."""
        self._json.close()

    async def _answer(self, request: _Request) -> Answer:
        signal = self._paths.get(request.scope["path"])
        if signal is not None and request.scope["method"] == "OPTIONS":
            preflight = self._cors.preflight(request.headers)
            if preflight is not None:
                return Answer(204, b"", None, preflight)
        try:
            return await self._export(request, signal)
        except Exception as error:  # noqa: BLE001 - nothing may reach the client as a bare 500
            return self._refusal(request, signal, error)

    async def _export(self, request: _Request, signal: Signal | None) -> Answer:
        if signal is None:
            raise NotFound(f"nothing is received on this path; OTLP is on {', '.join(self._paths)}")
        if request.scope["method"] != "POST":
            raise MethodNotAllowed("telemetry is sent by POST")
        shown = request.headers.get(b"authorization")
        tenant = self._tenant_of(None if shown is None else shown.decode("latin-1"))
        if request.encoding is None:
            raise UnsupportedMediaType("the content type must be application/x-protobuf or application/json")
        host, port = request.scope["client"]
        read = partial(self._read, request, request.encoding, signal, _inflater(request.headers))
        decode = partial(self._json.to_protobuf, signal.name) if request.encoding == JSON else None
        arrival = Arrival(signal, tenant, f"http:{host}:{port}", TRANSPORT, None, read, decode)
        content = await self.entrance.export(arrival)
        if request.encoding == JSON:
            content = json.answer_to_json(signal.name, content)
        return Answer(200, content, CONTENT_TYPES[request.encoding])

    async def _read(self, request: _Request, encoding: str, signal: Signal, inflater: inflate.Inflater | None) -> bytes:
        """The body of the request, inflated."""
        payload = await request.body.read(inflater)
        metrics.REQUEST_BYTES.labels(signal.name, TRANSPORT, encoding).observe(len(payload))
        compression = "none" if inflater is None else inflater.encoding
        metrics.HTTP_BODY_BYTES.labels(signal.name, encoding, compression).observe(request.body.received)
        return payload

    def _refusal(self, request: _Request, signal: Signal | None, error: Exception) -> Answer:
        if isinstance(error, UnreadableBody):
            return Answer(400, b"", None)  # nobody is there to read it
        refusal = count(signal, error, self._unexpected)
        status = status_of(refusal)
        content = json.status_to_json(status) if request.encoding == JSON else status.SerializeToString()
        content_type = CONTENT_TYPES[request.encoding or PROTOBUF]
        return Answer(http_status_of(error, refusal), content, content_type, headers_of(error, refusal))


def _by_name(pairs: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by their names; what stands in several lines is one list (RFC 9110, 5.3)."""
    headers: dict[bytes, bytes] = {}
    for name, value in pairs:
        headers[name] = b"%b, %b" % (headers[name], value) if name in headers else value
    return headers


def _inflater(headers: RequestHeaders) -> inflate.Inflater | None:
    encoding = headers.get(b"content-encoding", b"").decode("latin-1")
    try:
        return inflate.inflater(encoding)
    except KeyError:
        raise UnsupportedMediaType(f"the content encoding must be one of identity, {', '.join(inflate.MEMBERS)}") from None


async def _send(send: Send, answer: Answer, more: Headers) -> None:
    headers: list[tuple[bytes, bytes]] = [*answer.headers, *more]
    if answer.content_type is not None:
        headers.append((b"content-type", answer.content_type))
    if answer.status != 204:  # noqa: PLR2004 - No Content
        headers.append((b"content-length", b"%d" % len(answer.content)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.content})
