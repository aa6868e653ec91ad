"""A channel to the query port, and what went wrong there in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import typer

from llm_observatory.app.cli.failure import FAILED
from llm_observatory.app.cli.query.token import with_token
from llm_observatory.errors import ConfigError
from llm_observatory.settings import Settings, load

MAX_ANSWER_BYTES = 64 * 1024**2
"""What the server sends at most."""

_NEXT = {
    grpc.StatusCode.INVALID_ARGUMENT: "Change what it names and ask again.",
    grpc.StatusCode.NOT_FOUND: "Look at the id and at the range (--since, --from, --to); what is beyond RETENTION is gone.",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "Ask for less: a shorter range (--since), more conditions, a smaller --limit.",
    grpc.StatusCode.DEADLINE_EXCEEDED: "Ask for less: a shorter range (--since), a --service; or raise QUERY_TIMEOUT.",
    grpc.StatusCode.UNAUTHENTICATED: "Set QUERY_TOKEN to one of its TOKENS_FILE.",
    grpc.StatusCode.PERMISSION_DENIED: "Set QUERY_TOKEN to one whose rights are query or all.",
    grpc.StatusCode.UNIMPLEMENTED: "Is the server older than this client, or this another port (--endpoint)?",
}


def endpoint_of(given: str, settings: Settings) -> str:
    """What was given, or where `serve` with these settings listens."""
    if given:
        return given.removeprefix("http://").removeprefix("https://")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.listen_host, settings.listen_host)  # noqa: S104 - not bound here
    return f"[{host}]:{settings.query_port}" if ":" in host else f"{host}:{settings.query_port}"


@contextmanager
def asking(given: str) -> Iterator[grpc.Channel]:
    """A channel while the block runs; a refusal ends the command in words. Raises ConfigError."""
    settings = load()
    endpoint = endpoint_of(given, settings)
    with _channel(given, endpoint, settings) as channel:
        try:
            yield channel if settings.query_token is None else with_token(channel, settings.query_token.get_secret_value())
        except grpc.RpcError as error:
            typer.echo(f"Error: {words(error, endpoint)}", err=True)
            raise typer.Exit(FAILED) from None


def _channel(given: str, endpoint: str, settings: Settings) -> grpc.Channel:
    """With TLS where the endpoint is an https:// URL, or a file says whom to trust."""
    options = [("grpc.max_receive_message_length", MAX_ANSWER_BYTES)]
    trusted = settings.query_ca_file or settings.tls_cert_file
    if given.startswith("http://") or (trusted is None and not given.startswith("https://")):
        return grpc.insecure_channel(endpoint, options)
    try:
        roots = None if trusted is None else trusted.read_bytes()
    except OSError as error:
        raise ConfigError([f"QUERY_CA_FILE, TLS_CERT_FILE: {trusted}: {error.strerror}"]) from None
    return grpc.secure_channel(endpoint, grpc.ssl_channel_credentials(roots), options)


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
