"""When the certificates of TLS end: ours in a file, and the one that the database shows.

A certificate is looked at, not judged: one that has ended, or that nobody trusts, is what is to be seen here. libpq does not
give the server's away, so that a second handshake asks for it, with the SSLRequest of the PostgreSQL protocol.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from datetime import datetime
from pathlib import Path

from cryptography import x509

from llm_observatory.errors import ObservatoryError, StorageUnavailable
from llm_observatory.storage.connection import AsyncConnection

HANDSHAKE_SECONDS = 5.0

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""Length and code (PostgreSQL's documentation, 55.7, SSLRequest); the answer is one byte, S or N."""


class UnreadableCertificate(ObservatoryError):
    """A file that should hold a certificate does not, or cannot be read."""


def of_file(path: Path) -> datetime:
    """When the first certificate in a file of PEM ends: the server's own comes first. Raises UnreadableCertificate."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0].not_valid_after_utc
    except OSError as error:
        raise UnreadableCertificate(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise UnreadableCertificate(f"{path}: no certificate in PEM") from error


async def of_database(connection: AsyncConnection) -> datetime | None:
    """When the one ends that the server behind `connection` shows; None where that is not TLS. Raises StorageUnavailable."""
    if not connection.pgconn.ssl_in_use:
        return None
    info = connection.info
    try:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            shown = await _shown(info.hostaddr or info.host, info.port, info.host)
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise StorageUnavailable("the certificate of the database could not be asked for") from error
    return x509.load_der_x509_certificate(shown).not_valid_after_utc


async def _shown(address: str, port: int, name: str) -> bytes:
    """The certificate of a PostgreSQL server, as DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(_SSL_REQUEST)
        if await reader.readexactly(1) != b"S":
            raise ConnectionError("the server does not speak TLS to us")
        await writer.start_tls(context, server_hostname=name)
        shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return shown
    finally:
        writer.close()
