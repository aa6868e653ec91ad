"""When certificates end: of a file, and as a server that speaks PostgreSQL's SSLRequest shows it."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from llm_observatory.storage.connection import connect
from llm_observatory.storage.observe import certificates

ENDS = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)


def self_signed(folder: Path, ends: datetime = ENDS) -> Path:
    """A certificate that nobody trusts, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "database")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=3650))
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return file


def test_of_a_file(tmp_path: Path) -> None:
    assert certificates.of_file(self_signed(tmp_path)) == ENDS


def test_one_that_has_ended_is_read_too(tmp_path: Path) -> None:
    ended = datetime(2020, 1, 1, tzinfo=UTC)
    assert certificates.of_file(self_signed(tmp_path, ended)) == ended


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_file_that_holds_none(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "none.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(certificates.UnreadableCertificate, match=r"none\.pem: "):
        certificates.of_file(file)


async def test_as_a_server_shows_it(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(8) == bytes.fromhex("0000000804d2162f")
        writer.write(b"S")
        await writer.drain()
        await writer.start_tls(context)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(10):
            shown = await certificates._shown("127.0.0.1", port, "localhost")
    assert x509.load_der_x509_certificate(shown).not_valid_after_utc == ENDS


async def test_a_database_has_one_where_it_is_reached_over_tls(database: str) -> None:
    connection = await connect(database)
    try:
        assert (await certificates.of_database(connection) is not None) == connection.pgconn.ssl_in_use
    finally:
        await connection.close()
