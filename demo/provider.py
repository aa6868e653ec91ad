"""A fake of the OpenAI HTTP API on a loopback port: chat completions (JSON and SSE), embeddings, and a rate limit.

`reply` is a pure function from request to reply; `serve` puts it behind an HTTP server for the length of a `with` block.
Usage always reports cached and reasoning tokens, so that no telemetry column stays dark.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, cast

BUSY_MODEL = "gpt-5-busy"
"""Every request for this model is answered with 429."""

_POLL_SECONDS = 0.02
"""How soon the server sees that it shall end."""

CREATED = 1_790_000_000
CHAT_USAGE = {
    "prompt_tokens": 120,
    "completion_tokens": 45,
    "total_tokens": 165,
    "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 16, "audio_tokens": 0},
}
EMBEDDING_USAGE = {"prompt_tokens": 6, "total_tokens": 6}
ANSWER = "A span is one timed step of a trace."


class Reply(NamedTuple):
    """One HTTP reply. `body` is ready to send."""

    status: int
    content_type: str
    body: bytes


def _json(status: int, document: dict[str, Any]) -> Reply:
    return Reply(status, "application/json", json.dumps(document).encode())


def _error(status: int, message: str, code: str) -> Reply:
    return _json(status, {"error": {"message": message, "type": code, "param": None, "code": code}})


def _answered_by(model: str) -> str:
    """Providers answer with the dated name of the model that was asked for."""
    return f"{model}-2026-08-07"


def _tool_call(request: dict[str, Any]) -> dict[str, Any]:
    function = request["tools"][0]["function"]
    return {
        "id": "call_demo_1",
        "type": "function",
        "function": {"name": function["name"], "arguments": '{"city":"Paris"}'},
    }


def _chat(request: dict[str, Any]) -> Reply:
    if request.get("tools"):
        message = {"role": "assistant", "content": None, "tool_calls": [_tool_call(request)]}
        finish_reason = "tool_calls"
    else:
        message = {"role": "assistant", "content": ANSWER}
        finish_reason = "stop"
    return _json(200, {
        "id": "chatcmpl-demo-1",
        "object": "chat.completion",
        "created": CREATED,
        "model": _answered_by(request["model"]),
        "service_tier": "default",
        "system_fingerprint": "fp_demo",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}],
        "usage": CHAT_USAGE,
    })  # fmt: skip


def _chunk(request: dict[str, Any], choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
    document = {
        "id": "chatcmpl-demo-2",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": _answered_by(request["model"]),
        "service_tier": "default",
        "system_fingerprint": "fp_demo",
        "choices": choices,
        "usage": usage,
    }
    return f"data: {json.dumps(document)}\n\n".encode()


def _chat_stream(request: dict[str, Any]) -> Reply:
    def choice(delta: dict[str, Any], finish_reason: str | None = None) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]

    parts = [_chunk(request, choice({"role": "assistant", "content": ""}))]
    parts += [_chunk(request, choice({"content": word + " "})) for word in ANSWER.split()]
    parts.append(_chunk(request, choice({}, "stop")))
    if (request.get("stream_options") or {}).get("include_usage"):
        parts.append(_chunk(request, [], CHAT_USAGE))
    parts.append(b"data: [DONE]\n\n")
    return Reply(200, "text/event-stream", b"".join(parts))


def _embeddings(request: dict[str, Any]) -> Reply:
    return _json(200, {
        "object": "list",
        "model": request["model"],
        "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5, 0.125, 1.0]}],
        "usage": EMBEDDING_USAGE,
    })  # fmt: skip


def reply(path: str, request: dict[str, Any]) -> Reply:
    """What the fake answers to a POST of `request` at `path`."""
    if request.get("model") == BUSY_MODEL:
        return _error(429, "Rate limit reached. Try again later.", "rate_limit_exceeded")
    if path == "/v1/chat/completions":
        return _chat_stream(request) if request.get("stream") else _chat(request)
    if path == "/v1/embeddings":
        return _embeddings(request)
    return _error(404, f"Unknown request URL: POST {path}.", "unknown_url")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        answer = reply(self.path, json.loads(body))
        self.send_response(answer.status)
        self.send_header("content-type", answer.content_type)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the signature is http.server's
        """Stay silent: the demo prints only its own lines."""


@contextmanager
def serve() -> Iterator[str]:
    """Run the fake on a free loopback port. Yields the base URL for an OpenAI client."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        host, port = cast("tuple[str, int]", server.server_address)
        thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), name="fake-openai", daemon=True)
        thread.start()
        try:
            yield f"http://{host}:{port}/v1"
        finally:
            server.shutdown()
            thread.join()
