"""A server that speaks S3, over TLS with a certificate of its own: moto behind uvicorn.

Not moto's own server: it ends a TLS connection without saying so, which pgBackRest 2.45 takes for an error.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # ships no stubs
import trustme
import uvicorn

from tests.plugins.service import free_port, wait_for

BUCKET = "llm-observatory-backups"


@dataclass(frozen=True)
class S3:
    """Where it is, and who trusts it."""

    port: int
    ca: Path

    @property
    def environment(self) -> dict[str, str]:
        """AWS's own variables."""
        return {
            "AWS_ENDPOINT_URL_S3": f"https://localhost:{self.port}",
            "AWS_CA_BUNDLE": str(self.ca),
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    @contextmanager
    def client(self) -> Iterator[Any]:
        """A client of the test's own."""
        client = boto3.client(
            "s3",
            endpoint_url=f"https://localhost:{self.port}",
            verify=str(self.ca),
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )
        try:
            yield client
        finally:
            client.close()


@contextmanager
def s3_server(folder: Path) -> Iterator[S3]:
    """A server with one bucket, for as long as the block runs."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    authority, ca, pair = trustme.CA(), folder / "ca.pem", folder / "server.pem"
    authority.cert_pem.write_to_path(str(ca))
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pair))
    ca.chmod(0o644)
    found = S3(free_port(), ca)
    config = uvicorn.Config(
        DomainDispatcherApplication(create_backend_app),
        host="127.0.0.1", port=found.port, ssl_certfile=pair, interface="wsgi", log_config=None,
    )  # fmt: skip
    server = uvicorn.Server(config)

    def run() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of moto and of uvicorn's door to WSGI
            server.run()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        wait_for(lambda: server.started, 30, "moto listens")
        with found.client() as client:
            client.create_bucket(Bucket=BUCKET)
        yield found
    finally:
        server.should_exit = True
        thread.join(10)
