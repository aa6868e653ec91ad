"""The roads into a running service: the same request by each of them, the answers in one form.

A road is one connection, for one thread.
"""

from __future__ import annotations

import http.client
import json
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import grpc
from google.protobuf import json_format
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships no stubs

from llm_observatory.codec.answer import RESPONSES
from llm_observatory.pipeline.signal import SIGNALS
from tests.plugins.load import Client
from tests.plugins.service import Service

BY_NAME = {signal.name: signal for signal in SIGNALS}
CODES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}
TIMEOUT_SECONDS = 30


class Answer(NamedTuple):
    """What a client hears: whether it was taken, how many records of it were not, why, and the name of the gRPC code."""

    ok: bool
    rejected: int
    message: str
    code: str


class Road(Protocol):
    """One connection to a service. `takes` is `protobuf` or `json`: what the bytes of a request are."""

    name: str
    takes: str

    def send(self, signal: str, request: bytes) -> Answer:
        """One request and its answer."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


def accepted(signal: str, response: Any) -> Answer:
    """The answer that an Export*ServiceResponse is."""
    partial = response.partial_success
    return Answer(ok=True, rejected=getattr(partial, RESPONSES[signal][1]), message=partial.error_message, code="OK")


class GrpcRoad:
    """OTLP/gRPC."""

    name = "grpc"
    takes = "protobuf"

    def __init__(self, service: Service) -> None:
        self._client = Client(service.endpoint)

    def send(self, signal: str, request: bytes) -> Answer:
        """See Road."""
        try:
            return accepted(signal, self._client.export(request, TIMEOUT_SECONDS, BY_NAME[signal]))
        except grpc.RpcError as error:
            return Answer(ok=False, rejected=0, message=error.details() or "", code=error.code().name)

    def close(self) -> None:
        """See Road."""
        self._client.close()


class _HttpRoad:
    """OTLP/HTTP, on a connection that is kept."""

    name: str
    takes: str
    content_type: str

    def __init__(self, service: Service) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(service.http_endpoint).netloc, timeout=TIMEOUT_SECONDS)

    def send(self, signal: str, request: bytes) -> Answer:
        """See Road."""
        self._connection.request("POST", f"/v1/{signal}", request, {"Content-Type": self.content_type})
        reply = self._connection.getresponse()
        body = reply.read()
        assert reply.headers["Content-Type"] == self.content_type
        if reply.status != http.HTTPStatus.OK:
            status = self.read(Status(), body)
            return Answer(ok=False, rejected=0, message=status.message, code=CODES[status.code])
        return accepted(signal, self.read(RESPONSES[signal][0](), body))

    def close(self) -> None:
        """See Road."""
        self._connection.close()

    def read(self, message: Any, body: bytes) -> Any:
        """A message of the answer."""
        raise NotImplementedError


class HttpProtobufRoad(_HttpRoad):
    """OTLP/HTTP, binary."""

    name = "http-protobuf"
    takes = "protobuf"
    content_type = "application/x-protobuf"

    def read(self, message: Any, body: bytes) -> Any:
        """See _HttpRoad."""
        message.ParseFromString(body)
        return message


class HttpJsonRoad(_HttpRoad):
    """OTLP/HTTP, JSON."""

    name = "http-json"
    takes = "json"
    content_type = "application/json"

    def read(self, message: Any, body: bytes) -> Any:
        """See _HttpRoad."""
        return json_format.ParseDict(json.loads(body), message)


ROADS: dict[str, type[GrpcRoad | HttpProtobufRoad | HttpJsonRoad]] = {
    road.name: road for road in (GrpcRoad, HttpProtobufRoad, HttpJsonRoad)
}
"""All of them, by name."""
