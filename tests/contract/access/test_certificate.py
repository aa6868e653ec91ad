"""TLS of the ports over both transports: what clients see of it, and that certificates are renewed under way."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from llm_observatory.errors import ConfigError
from llm_observatory.serving import watched
from llm_observatory.serving.certificate import Certificate
from tests.contract.http.conftest import serve as serve_http
from tests.contract.otlp.conftest import raw_method
from tests.contract.otlp.conftest import serve as serve_grpc
from tests.contract.otlp.payloads import trace_request
from tests.plugins.authority import Authority
from tests.plugins.wire import EXPORT_TRACES


@asynccontextmanager
async def grpc_client(port: int, credentials: grpc.ChannelCredentials) -> AsyncIterator[Any]:
    async with aio.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
        yield raw_method(channel, EXPORT_TRACES)


def subject(port: int, roots: bytes, version: ssl.TLSVersion | None = None) -> str:
    """Common name of the certificate that the port shows. Raises ssl.SSLError."""
    context = ssl.create_default_context(cadata=roots.decode())
    context.set_alpn_protocols(["h2", "http/1.1"])
    if version is not None:
        context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname="127.0.0.1") as wrapped,
    ):
        shown: Any = wrapped.getpeercert()
        return str(dict(pair[0] for pair in shown["subject"])["commonName"])


async def http_post(port: int, context: ssl.SSLContext, body: bytes) -> bytes:
    """The status line of the answer to a POST of spans. Raises OSError where none comes."""
    return await answer_to(*await asyncio.open_connection("127.0.0.1", port, ssl=context), body)


async def answer_to(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> bytes:
    """As `http_post`, on a connection, which it closes."""
    head = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n"
    try:
        writer.write(head % len(body) + body)
        line = (await reader.readline()).strip()
    finally:
        writer.close()
    if not line:
        raise ConnectionResetError("the connection was closed without an answer")
    return line


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.roots.decode())


async def test_grpc_over_tls(authority: Authority) -> None:
    async with serve_grpc(certificate=Certificate(*authority.sign("one"))) as otlp:
        async with grpc_client(otlp.port, grpc.ssl_channel_credentials(authority.roots)) as export:
            await export(trace_request(), timeout=10)
        assert len(otlp.ingest.committed) == 1
        with pytest.raises(aio.AioRpcError) as plain:
            await otlp.export(trace_request(), timeout=5)
        assert plain.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_http_over_tls_and_a_socket_without(authority: Authority, tmp_path: Path) -> None:
    path = tmp_path / "otlp.sock"
    async with serve_http(certificate=Certificate(*authority.sign("one")), socket=path) as http:
        body = trace_request()
        assert await http_post(http.port, trusting(authority), body) == b"HTTP/1.1 200 OK"
        assert await answer_to(*await asyncio.open_unix_connection(path), body) == b"HTTP/1.1 200 OK"
        plain = await asyncio.open_connection("127.0.0.1", http.port)
        with pytest.raises(OSError):
            await answer_to(*plain, body)


@pytest.mark.parametrize("transport", ["grpc", "http"])
async def test_a_renewed_certificate_is_shown_and_a_broken_one_is_not(
    authority: Authority, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "LOOK_SECONDS", 0.0)
    cert, key = authority.sign("first")
    serve: Any = serve_grpc if transport == "grpc" else serve_http
    async with serve(certificate=Certificate(cert, key)) as running:

        async def shown() -> str:
            return await asyncio.to_thread(subject, running.port, authority.roots)

        assert await shown() == "first"
        authority.sign("second")
        assert await shown() == "second"
        cert.write_text("-----BEGIN CERTIFICATE-----\n")
        assert await shown() == "second"
        authority.sign("third")
        assert await shown() == "third"


@pytest.mark.parametrize("transport", ["grpc", "http"])
async def test_old_tls_is_refused(authority: Authority, transport: str) -> None:
    serve: Any = serve_grpc if transport == "grpc" else serve_http
    async with serve(certificate=Certificate(*authority.sign("one"))) as running:
        assert await asyncio.to_thread(subject, running.port, authority.roots, ssl.TLSVersion.TLSv1_2) == "one"
        with pytest.warns(DeprecationWarning, match="TLSv1_1"), pytest.raises(OSError):
            await asyncio.to_thread(subject, running.port, authority.roots, ssl.TLSVersion.TLSv1_1)


async def test_clients_without_a_certificate_are_refused_where_one_is_asked_for(authority: Authority) -> None:
    certificate = Certificate(*authority.sign("one"), client_ca=authority.file)
    chain, key = authority.client()
    async with serve_grpc(certificate=certificate) as otlp:
        async with grpc_client(otlp.port, grpc.ssl_channel_credentials(authority.roots, key, chain)) as export:
            await export(trace_request(), timeout=10)
        async with grpc_client(otlp.port, grpc.ssl_channel_credentials(authority.roots)) as export:
            with pytest.raises(aio.AioRpcError) as refused:
                await export(trace_request(), timeout=5)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert len(otlp.ingest.committed) == 1
    async with serve_http(certificate=certificate) as http:
        context = trusting(authority)
        with pytest.raises(OSError):
            await http_post(http.port, context, trace_request())
        files = authority.folder / "client.pem"
        files.write_bytes(key + chain)
        context.load_cert_chain(files)
        assert await http_post(http.port, context, trace_request()) == b"HTTP/1.1 200 OK"
        assert len(http.ingest.committed) == 1


def test_faulty_files_are_named(authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.sign("one")
    with pytest.raises(ConfigError, match=r"TLS_CERT_FILE: .*nowhere: No such file"):
        Certificate(tmp_path / "nowhere", key)
    other = trustme_key(tmp_path)
    with pytest.raises(ConfigError, match=r"TLS_CERT_FILE, TLS_KEY_FILE: .*key values mismatch"):
        Certificate(cert, other)
    (tmp_path / "rubbish").write_text("rubbish")
    with pytest.raises(ConfigError, match="TLS_CLIENT_CA_FILE"):
        Certificate(cert, key, tmp_path / "rubbish")


def test_an_encrypted_key_is_not_asked_for(authority: Authority) -> None:
    from cryptography.hazmat.primitives import serialization

    cert, key = authority.sign("one")
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(ConfigError, match="the key is encrypted"):
        Certificate(cert, key)


def trustme_key(folder: Path) -> Path:
    import trustme

    file = folder / "other.key"
    file.write_bytes(trustme.CA().issue_cert("127.0.0.1").private_key_pem.bytes())
    return file


async def test_a_handshake_that_does_not_come_ends_as_a_head_would(authority: Authority) -> None:
    async with serve_http(certificate=Certificate(*authority.sign("one")), header_timeout=0.3) as http:
        reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()
        assert await http_post(http.port, trusting(authority), trace_request()) == b"HTTP/1.1 200 OK"
