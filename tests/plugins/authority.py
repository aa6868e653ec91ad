"""An authority that signs certificates, for servers and for clients."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs, into files below its folder."""

    folder: Path
    ca: trustme.CA

    @property
    def roots(self) -> bytes:
        """Its own certificate, PEM."""
        return self.ca.cert_pem.bytes()

    @property
    def file(self) -> Path:
        """The same in a file."""
        file = self.folder / "ca.pem"
        file.write_bytes(self.roots)
        return file

    def sign(self, name: str, *identities: str) -> tuple[Path, Path]:
        """The files of a certificate chain and of its key, written over if they are there."""
        made = self.ca.issue_cert(*identities or ("127.0.0.1",), common_name=name)
        cert, key = self.folder / "server.pem", self.folder / "server.key"
        cert.write_bytes(b"".join(part.bytes() for part in made.cert_chain_pems))
        key.write_bytes(made.private_key_pem.bytes())
        return cert, key

    def client(self) -> tuple[bytes, bytes]:
        """Chain and key of a client."""
        made = self.ca.issue_cert("client@example.com")
        return b"".join(part.bytes() for part in made.cert_chain_pems), made.private_key_pem.bytes()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, trustme.CA())
