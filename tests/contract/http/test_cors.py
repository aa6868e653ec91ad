"""Browsers: https://fetch.spec.whatwg.org/#http-cors-protocol."""

from __future__ import annotations

import pytest

from tests.contract.http.conftest import Http, Start
from tests.contract.http.connection import head, post

ORIGIN = "https://app.example.com"
PREFLIGHT = {
    "origin": ORIGIN,
    "access_control_request_method": "POST",
    "access_control_request_headers": "content-type,x-api-key",
}


async def test_without_an_allowed_origin_no_browser_may(http: Http) -> None:
    answer = await http.ask(head(method="OPTIONS", content_type=None, **PREFLIGHT))
    assert answer.status == 405
    assert not any(name.startswith("access-control") for name in answer.headers)
    answer = await http.ask(post(b"", origin=ORIGIN))
    assert (answer.status, answer.headers.get("access-control-allow-origin")) == (200, None)


@pytest.mark.parametrize("allowed", [ORIGIN, "https://*.example.com", "*", "HTTPS://APP.example.COM"])
async def test_an_allowed_origin_may_ask_and_send(start: Start, allowed: str) -> None:
    async with start(origins=("https://other.example", allowed), headers=("x-api-key",)) as http:
        answer = await http.ask(head(method="OPTIONS", content_type=None, **PREFLIGHT))
        assert (answer.status, answer.body) == (204, b"")
        assert "content-length" not in answer.headers
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["access-control-allow-methods"] == "POST"
        assert {"content-type", "x-api-key"} <= set(answer.headers["access-control-allow-headers"].split(", "))
        assert answer.headers["access-control-max-age"] == "3600"
        for body, status in ((b"", 200), (b"\xff", 200)):
            answer = await http.ask(post(body, origin=ORIGIN))
            assert (answer.status, answer.headers["access-control-allow-origin"], answer.headers["vary"]) == (
                status,
                ORIGIN,
                "Origin",
            )
        refused = await http.ask(post(b"", "/v1/nothing", origin=ORIGIN))
        assert (refused.status, refused.headers["access-control-allow-origin"]) == (404, ORIGIN)


@pytest.mark.parametrize(
    "origin", ["https://app.example.com.evil.org", "http://app.example.com", "https://evil.org/app.example.com", "null"]
)
async def test_another_origin_may_not(start: Start, origin: str) -> None:
    async with start(origins=("https://*.example.com",)) as http:
        answer = await http.ask(head(method="OPTIONS", content_type=None, **{**PREFLIGHT, "origin": origin}))
        assert (answer.status, answer.headers.get("access-control-allow-origin")) == (405, None)


async def test_every_header_may_be_allowed(start: Start) -> None:
    async with start(origins=(ORIGIN,), headers=("*",)) as http:
        answer = await http.ask(head(method="OPTIONS", content_type=None, **PREFLIGHT))
        assert answer.headers["access-control-allow-headers"] == "content-type,x-api-key"
