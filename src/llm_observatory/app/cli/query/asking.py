"""A channel to the query port, and what went wrong there in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import typer

from llm_observatory.app.cli.failure import FAILED
from llm_observatory.settings import load

MAX_ANSWER_BYTES = 64 * 1024**2
"""What the server sends at most."""

_NEXT = {
    grpc.StatusCode.INVALID_ARGUMENT: "Change what it names and ask again.",
    grpc.StatusCode.NOT_FOUND: "Look at the id and at the range (--since, --from, --to); what is beyond RETENTION is gone.",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "Ask for less: a shorter range (--since), more conditions, a smaller --limit.",
    grpc.StatusCode.DEADLINE_EXCEEDED: "Ask for less: a shorter range (--since), a --service; or raise QUERY_TIMEOUT.",
    grpc.StatusCode.UNIMPLEMENTED: "Is the server older than this client, or this another port (--endpoint)?",
}


def endpoint_of(given: str) -> str:
    """What was given, or where `serve` with these settings listens. Raises ConfigError."""
    if given:
        return given.removeprefix("http://")
    settings = load()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.listen_host, settings.listen_host)  # noqa: S104 - not bound here
    return f"[{host}]:{settings.query_port}" if ":" in host else f"{host}:{settings.query_port}"


@contextmanager
def asking(given: str) -> Iterator[grpc.Channel]:
    """A channel while the block runs; a refusal ends the command in words."""
    endpoint = endpoint_of(given)
    with grpc.insecure_channel(endpoint, options=[("grpc.max_receive_message_length", MAX_ANSWER_BYTES)]) as channel:
        try:
            yield channel
        except grpc.RpcError as error:
            typer.echo(f"Error: {words(error, endpoint)}", err=True)
            raise typer.Exit(FAILED) from None


def words(error: grpc.RpcError, endpoint: str) -> str:
    """What happened, and what to do next."""
    code, said = error.code(), (error.details() or "").strip().rstrip(".!")
    if code is grpc.StatusCode.UNAVAILABLE:
        if "failed to connect" in said.lower() or "connection refused" in said.lower() or "resolution" in said.lower():
            return (
                f"nobody answers at {endpoint}. Start it with `llm-observatory serve`, or say where it is with --endpoint "
                "(QUERY_PORT, LISTEN_HOST)."
            )
        return f"{said}. Try again; `/health` of the server says what it waits for."
    return f"{said or code.name}. {_NEXT.get(code, 'Look at the log of the server.')}"
