"""OTLP/HTTP: paths, methods, content types, and the answers to them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from google.rpc.error_details_pb2 import BadRequest  # type: ignore[import-untyped]  # ships no stubs

from tests.conformance.conftest import NOWHERE, StartService, own_service, receiver_of
from tests.conformance.http_wire import JSON, PROTOBUF, Response, head, post
from tests.conformance.plugin import NO_CREDENTIALS, header_option
from tests.conformance.receiver import Receiver, Seen
from tests.conformance.signals import PROFILES_PATH, SIGNALS, Signal, padding, traces, unset
from tests.conformance.test_grpc_export import EMPTY, empty_requests
from tests.conformance.to_json import to_json
from tests.plugins.service import wait_for

EVERY_SIGNAL = pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
EITHER = pytest.mark.parametrize("content_type", [PROTOBUF, JSON], ids=["protobuf", "json"])

RETRYABLE = {429, 502, 503, 504}


def encoded(message: Any, content_type: str) -> bytes:
    """A message, or bytes that are none, as they go into a body."""
    if isinstance(message, bytes):
        return message
    data: bytes = message.SerializeToString() if content_type == PROTOBUF else json.dumps(to_json(message)).encode()
    return data


def parsed(response: Response, signal: Signal) -> Any:
    """The Export response in a body."""
    if response.content_type == PROTOBUF:
        return signal.response.FromString(response.content)
    found = json.loads(response.content)
    assert set(found) <= {"partialSuccess"}, found
    made = signal.response()
    partial = found.get("partialSuccess", {})
    if partial:
        camel = "".join(word.title() if number else word for number, word in enumerate(signal.rejected.split("_")))
        setattr(made.partial_success, signal.rejected, int(partial.get(camel, 0)))
        made.partial_success.error_message = partial.get("errorMessage", "")
    return made


@pytest.mark.requirement("H1", "MUST")
@pytest.mark.requirement("H2", "MUST")
@EVERY_SIGNAL
@EITHER
def test_each_path_is_served_in_both_encodings(receiver: Receiver, seen: Seen, signal: Signal, content_type: str) -> None:
    response = receiver.ask(post(signal.path, encoded(signal.make(3), content_type), content_type))
    seen(f"{signal.path} {content_type}: {response.status}")
    assert response.status == 200


@pytest.mark.requirement("H3", "MUST")
@EVERY_SIGNAL
@EITHER
def test_a_success_is_in_the_encoding_of_its_request(receiver: Receiver, seen: Seen, signal: Signal, content_type: str) -> None:
    response = receiver.ask(post(signal.path, encoded(signal.make(3), content_type), content_type))
    seen(f"{response.status} {response.content_type}")
    assert response.content_type == content_type


@pytest.mark.requirement("H5", "MUST")
@EVERY_SIGNAL
@EITHER
def test_full_success(receiver: Receiver, seen: Seen, signal: Signal, content_type: str) -> None:
    response = receiver.ask(post(signal.path, encoded(signal.make(3), content_type), content_type))
    seen(f"{response.status}, partial_success unset: {unset(parsed(response, signal))}")
    assert response.status == 200
    assert unset(parsed(response, signal))


@pytest.mark.requirement("H5", "MUST")
@EVERY_SIGNAL
@EITHER
def test_partial_success(receiver: Receiver, seen: Seen, signal: Signal, content_type: str) -> None:
    response = receiver.ask(post(signal.path, encoded(signal.make(3, 2), content_type), content_type))
    if receiver.service is None and (response.status == 400 or unset(parsed(response, signal))):
        pytest.skip("it takes or refuses requests as a whole")
    partial = parsed(response, signal).partial_success
    seen(f"{response.status}, {signal.rejected}: {getattr(partial, signal.rejected)} of 5")
    assert response.status == 200
    assert getattr(partial, signal.rejected) == 2
    assert partial.error_message


@pytest.mark.requirement("H5", "MUST")
@EVERY_SIGNAL
@EITHER
@pytest.mark.parametrize("form", EMPTY[:3])
def test_an_empty_request_succeeds(receiver: Receiver, seen: Seen, signal: Signal, content_type: str, form: str) -> None:
    message = empty_requests(signal)[form]
    body = b"{}" if content_type == JSON and message == b"" else encoded(message, content_type)
    response = receiver.ask(post(signal.path, body, content_type))
    seen(f"{form}: {response.status}")
    assert response.status == 200
    assert unset(parsed(response, signal))


@pytest.mark.requirement("H5", "MUST")
@pytest.mark.own_process("rows")
@EVERY_SIGNAL
@EITHER
def test_what_is_acknowledged_is_stored(receiver: Receiver, seen: Seen, signal: Signal, content_type: str) -> None:
    before = receiver.rows(signal.table)
    response = receiver.ask(post(signal.path, encoded(signal.make(4, 1), content_type), content_type))
    stored = receiver.rows(signal.table) - before
    seen(f"{signal.table}: {stored} rows of 5")
    assert response.status == 200
    assert stored == 4


@pytest.mark.requirement("H1", "SHOULD")
@pytest.mark.own_process("its start")
def test_the_default_port(seen: Seen) -> None:
    """It listens there, or says that somebody else does."""
    with own_service(DATABASE_URL=NOWHERE) as service:
        del service.environment["OTLP_HTTP_PORT"]
        service.start(wait=False)

        def known() -> bool:
            try:
                ports = {connection.laddr.port for connection in psutil.Process(service.process.pid).net_connections("tcp")}
            except psutil.NoSuchProcess:
                ports = set()
            return 4318 in ports or "cannot listen on 127.0.0.1:4318 (OTLP_HTTP_PORT)" in service.log.read_text()

        wait_for(known, 30, "port 4318, or a complaint that it is taken")
    seen("port 4318")


@pytest.mark.requirement("H1", "RECOMMENDED")
@EITHER
@pytest.mark.parametrize(
    "path", ["/", "/v1/traces/v1/logs", "/v1/traces/", "/v1/trace", "/V1/traces", "//v1/traces", PROFILES_PATH]
)
def test_another_path_is_404(receiver: Receiver, seen: Seen, path: str, content_type: str) -> None:
    response = receiver.ask(post(path, encoded(traces(), content_type), content_type))
    seen(f"{path}: {response.status}")
    assert response.status == 404 or (path == PROFILES_PATH and receiver.service is None and response.status < 500)


@pytest.mark.requirement("H1", "MUST")
def test_a_query_changes_nothing(receiver: Receiver, seen: Seen) -> None:
    response = receiver.ask(post("/v1/traces?api_key=none", encoded(traces(), PROTOBUF)))
    seen(f"/v1/traces?…: {response.status}")
    assert response.status == 200


@pytest.mark.requirement("H1", "RECOMMENDED")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_is_405(receiver: Receiver, seen: Seen, method: str) -> None:
    response = receiver.ask(head("/v1/traces", [("content-type", PROTOBUF), ("content-length", "0")], method))
    seen(f"{method}: {response.status}, allow: {response.headers.get('allow')}")
    assert response.status == 405
    assert "POST" in response.headers.get("allow", "")


@pytest.mark.requirement("H2", "SHOULD")
@EVERY_SIGNAL
@pytest.mark.parametrize(
    "sent", ["application/json; charset=utf-8", "Application/JSON", 'application/json ;charset="UTF-8"',
             "application/x-protobuf; messageType=x", "APPLICATION/X-PROTOBUF"],
)  # fmt: skip
def test_parameters_and_letter_case(receiver: Receiver, seen: Seen, signal: Signal, sent: str) -> None:
    plain = JSON if "json" in sent.lower() else PROTOBUF
    response = receiver.ask(post(signal.path, encoded(signal.make(1), plain), sent))
    seen(f"{sent}: {response.status}")
    assert response.status == 200
    assert response.content_type == plain


@pytest.mark.requirement("H2", "SHOULD")
@pytest.mark.parametrize(
    "sent", [None, "text/plain", "application/octet-stream", "application/x-ndjson", "json", "application/jsonx"]
)
def test_another_content_type_is_415(receiver: Receiver, seen: Seen, sent: str | None) -> None:
    response = receiver.ask(post("/v1/traces", encoded(traces(), PROTOBUF), sent))
    seen(f"{sent}: {response.status}")
    assert response.status == 415


@pytest.mark.requirement("H2", "RECOMMENDED")
def test_application_protobuf(receiver: Receiver, seen: Seen) -> None:
    response = receiver.ask(post("/v1/traces", encoded(traces(), PROTOBUF), "application/protobuf"))
    seen(f"application/protobuf: {response.status} {response.content_type}")
    assert response.status == 200


def refusals(limit: int) -> dict[str, Callable[[str], bytes]]:
    """Requests that are refused for each reason, by the content type that they come in."""
    return {
        "400": lambda kind: post("/v1/traces", b"\xff\xff{", kind),
        "404": lambda kind: post("/v1/nothing", b"", kind),
        "405": lambda kind: head("/v1/traces", [("content-type", kind), ("content-length", "0")], "PUT"),
        # With Expect: without, it may wait for a body that is not sent.
        "413": lambda kind: head(
            "/v1/traces", [("content-type", kind), ("content-length", str(limit + 1)), ("expect", "100-continue")]
        ),
        "415": lambda kind: post("/v1/traces", b"", kind, [("content-encoding", "rot13")]),
    }


REFUSALS = ["400", "404", "405", "413", "415"]


@pytest.mark.requirement("H3", "MUST")
@pytest.mark.requirement("H4", "MUST")
@EITHER
@pytest.mark.parametrize("status", REFUSALS)
def test_an_error_is_a_status_in_the_encoding_of_its_request(
    receiver: Receiver, seen: Seen, status: str, content_type: str
) -> None:
    response = receiver.ask(refusals(receiver.limit)[status](content_type))
    seen(f"{response.status} {response.content_type}")
    if receiver.service is not None:
        assert response.status == int(status)
    assert 400 <= response.status < 500
    assert response.content_type == content_type
    response.error()


@pytest.mark.requirement("H4", "SHOULD")
@EITHER
@pytest.mark.parametrize("status", REFUSALS)
def test_an_error_has_a_message(receiver: Receiver, seen: Seen, status: str, content_type: str) -> None:
    response = receiver.ask(refusals(receiver.limit)[status](content_type))
    message = response.error().message
    seen(f"{response.status} with a message: {bool(message)}")
    assert message


@pytest.mark.requirement("H4", "SHOULD")
@EITHER
def test_a_400_describes_the_bad_data(receiver: Receiver, seen: Seen, content_type: str) -> None:
    response = receiver.ask(refusals(receiver.limit)["400"](content_type))
    details = [detail.type_url.rpartition("/")[2] for detail in response.error().details]
    seen(f"{response.status}, details: {details}")
    assert BadRequest.DESCRIPTOR.full_name in details


@pytest.mark.requirement("H4", "MUST")
def test_where_the_request_is_in_neither_encoding_the_status_is_protobuf(receiver: Receiver, seen: Seen) -> None:
    response = receiver.ask(post("/v1/traces", b"", "text/plain"))
    seen(f"{response.status} {response.content_type}")
    assert response.status >= 400
    assert response.content_type == PROTOBUF
    assert response.error().message


@pytest.mark.requirement("H7", "MUST")
@EITHER
@pytest.mark.parametrize("status", REFUSALS)
def test_what_is_wrong_with_a_request_is_not_retried(receiver: Receiver, seen: Seen, status: str, content_type: str) -> None:
    response = receiver.ask(refusals(receiver.limit)[status](content_type))
    seen(f"{response.status}, retry-after: {response.headers.get('retry-after')}")
    assert response.status not in RETRYABLE
    assert "retry-after" not in response.headers


@pytest.mark.requirement("H9", "MUST")
@EITHER
@pytest.mark.parametrize("accepted", [None, "identity", "gzip;q=0", "gzip"])
def test_a_response_is_compressed_only_if_that_is_accepted(
    receiver: Receiver, seen: Seen, accepted: str | None, content_type: str
) -> None:
    """A small response and one with many rejections in it."""
    headers = [] if accepted is None else [("accept-encoding", accepted)]
    for request in (traces(1), traces(1, 200)):
        response = receiver.ask(post("/v1/traces", encoded(request, content_type), content_type, headers))
        encoding = response.headers.get("content-encoding")
        seen(f"accept-encoding {accepted}: content-encoding {encoding}")
        assert encoding in ((None, "identity", "gzip") if accepted == "gzip" else (None, "identity"))
        assert response.content is not None, "it inflates"


ORIGIN = ("origin", "https://app.example")
PREFLIGHT = [
    ORIGIN,
    ("access-control-request-method", "POST"),
    ("access-control-request-headers", "content-type,x-api-key"),
]


@pytest.mark.requirement("H16", "RECOMMENDED")
def test_cors_is_off_by_default(receiver: Receiver, seen: Seen) -> None:
    preflight = receiver.ask(head("/v1/traces", PREFLIGHT, "OPTIONS"))
    response = receiver.ask(post("/v1/traces", encoded(traces(), JSON), JSON, [ORIGIN]))
    allowed = [name for answer in (preflight, response) for name in answer.headers if name.startswith("access-control-")]
    seen(f"by default: preflight {preflight.status}, headers of CORS: {allowed}")
    assert allowed == []


@pytest.mark.requirement("H16", "RECOMMENDED")
@pytest.mark.own_process("its setting")
def test_cors_for_an_origin_that_is_allowed(seen: Seen, start_service: StartService) -> None:
    service = start_service(
        OTLP_HTTP_CORS_ALLOWED_ORIGINS="https://app.example,https://*.example.org", OTLP_HTTP_CORS_ALLOWED_HEADERS="x-api-key"
    )
    receiver = receiver_of(service)
    wait_for(lambda: answers(receiver), 30, "the HTTP port answers")
    preflight = receiver.ask(head("/v1/traces", PREFLIGHT, "OPTIONS"))
    seen(f"preflight: {preflight.status}, {preflight.headers.get('access-control-allow-origin')}")
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN[1]
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert {"content-type", "x-api-key"} <= set(re.split(r",\s*", preflight.headers["access-control-allow-headers"].lower()))
    for sent, allowed in ((ORIGIN[1], True), ("https://a.example.org", True), ("https://evil.example", False)):
        for request in (
            post("/v1/traces", b"{}", JSON, [("origin", sent)]),
            post("/v1/traces", b"{", JSON, [("origin", sent)]),
        ):
            response = receiver.ask(request)
            found = response.headers.get("access-control-allow-origin")
            seen(f"{response.status} to {sent}: {found}")
            assert found == (sent if allowed else None)


def answers(receiver: Receiver) -> bool:
    """Whether somebody listens."""
    try:
        return receiver.ask(post("/v1/traces", b"")).status == 200
    except OSError:
        return False


@pytest.mark.requirement("H18", "SHOULD")
@pytest.mark.parametrize("credentials", ["none", "wrong"])
@pytest.mark.parametrize("sent", [PROTOBUF, JSON, "text/plain"])
def test_without_credentials(
    request: pytest.FixtureRequest, receiver: Receiver, seen: Seen, credentials: str, sent: str
) -> None:
    if not header_option(request.config):
        assert receiver.ask(post("/v1/traces", b"")).status == 200, "it asks for credentials: name a --header for all tests"
        pytest.skip(NO_CREDENTIALS)
    headers = [(name, "wrong") for name in header_option(request.config)] if credentials == "wrong" else []
    response = receiver.ask(post("/v1/traces", b"", sent, headers))
    seen(f"{credentials}: {response.status}")
    assert response.status in (401, 403)


@pytest.mark.requirement("H6", "RECOMMENDED")
def test_64_mib_are_taken(receiver: Receiver, seen: Seen) -> None:
    if receiver.service is None and receiver.limit != 64 * 2**20:
        pytest.skip("--limit says that its limit was set")
    response = receiver.ask(post("/v1/traces", padding(64 * 2**20)), within=60)
    seen(f"64 MiB: {response.status}")
    assert response.status == 200
