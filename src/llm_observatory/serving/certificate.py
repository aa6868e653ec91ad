"""TLS of the ports: certificate and key in PEM, and whose clients' certificates are asked for. TLS 1.2 and newer.

Files that are replaced hold from the next handshake on, at the latest a second later; connections that are open stay so.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, NamedTuple, cast

import grpc

from llm_observatory.errors import ConfigError
from llm_observatory.serving.watched import Watched

CERT_SETTING, KEY_SETTING, CA_SETTING = "TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CLIENT_CA_FILE"


class _Loaded(NamedTuple):
    context: ssl.SSLContext
    chain: bytes
    key: bytes
    client_ca: bytes | None


class Certificate:
    """What ports show their clients. With `client_ca` they must show one of its certificates. Raises ConfigError."""

    def __init__(self, cert: Path, key: Path, client_ca: Path | None = None) -> None:
        self._cert, self._key, self._client_ca = cert, key, client_ca
        files = [cert, key, *([client_ca] if client_ca else [])]
        self._watched = Watched(files, self._load)

    def ssl_context(self) -> ssl.SSLContext:
        """For a server of asyncio. It goes over to the certificate of the moment in every handshake."""
        context = _server_context()
        self._arm(context, self._watched.value)

        def renew(connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = self._watched.value.context

        context.sni_callback = renew
        return context

    def credentials(self) -> grpc.ServerCredentials:
        """For a server of gRPC, likewise."""
        shown = self._watched.value

        def renew() -> grpc.ServerCertificateConfiguration | None:
            nonlocal shown
            now = self._watched.value
            if now is shown:
                return None
            shown = now
            return _configuration(now)

        # None, for "as before", is what the stubs deny.
        return grpc.dynamic_ssl_server_credentials(
            _configuration(shown), cast("Any", renew), require_client_authentication=self._client_ca is not None
        )

    def _load(self) -> _Loaded:
        context = _server_context()
        chain, key = _read(self._cert, CERT_SETTING), _read(self._key, KEY_SETTING)
        client_ca = None if self._client_ca is None else _read(self._client_ca, CA_SETTING)
        loaded = _Loaded(context, chain, key, client_ca)
        self._arm(context, loaded)
        return loaded

    def _arm(self, context: ssl.SSLContext, loaded: _Loaded) -> None:
        try:
            context.load_cert_chain(self._cert, self._key, password=_no_password)
        except (OSError, ValueError) as error:
            raise ConfigError([f"{CERT_SETTING}, {KEY_SETTING}: {self._cert} and {self._key}: {_why(error)}"]) from None
        if loaded.client_ca is not None:
            try:
                context.load_verify_locations(cadata=loaded.client_ca.decode("ascii", "replace"))
            except (OSError, ValueError) as error:
                raise ConfigError([f"{CA_SETTING}: {self._client_ca}: {_why(error)}"]) from None
            context.verify_mode = ssl.CERT_REQUIRED


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _configuration(loaded: _Loaded) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(loaded.key, loaded.chain)], root_certificates=loaded.client_ca)


def _read(file: Path, setting: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError([f"{setting}: {file}: {error.strerror}"]) from None


def _no_password() -> str:
    """Asked for where a key is encrypted: nobody sits there to type it."""
    raise ValueError("the key is encrypted; give it without a passphrase, in a file that only the service can read")


def _why(error: Exception) -> str:
    """OpenSSL's own words, without its place in the source."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
