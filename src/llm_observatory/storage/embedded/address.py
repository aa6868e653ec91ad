"""How the server is reached: a socket in the data folder with peer authentication, or a loopback port with a password.

A socket's path has at most 107 bytes (103 on macOS), and libpq reads a comma in it as a second host; such folders get the port.
"""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

SUPERUSER = "postgres"
_SOCKET_PORT = 5432
_LONGEST = 107 if sys.platform == "linux" else 103


@dataclass(frozen=True)
class Address:
    """Either `folder` (of the socket) or `password` (of the loopback port) is set."""

    port: int
    folder: str | None = None
    password: str | None = None

    def conninfo(self, database: str) -> str:
        """A URL that libpq and dbmate both take. Everything is said, so that PGPORT and its like cannot change it."""
        path = quote(database, safe="")
        if self.folder is not None:
            return f"postgresql://{SUPERUSER}@/{path}?host={quote(os.fsencode(self.folder), safe='')}&port={self.port}"
        secret = quote(self.password or "", safe="")
        return f"postgresql://{SUPERUSER}:{secret}@127.0.0.1:{self.port}/{path}?sslmode=disable"

    def settings(self) -> dict[str, str]:
        """Server settings that no configuration file overrides."""
        if self.folder is not None:
            quoted = self.folder.replace('"', '""')
            return {"unix_socket_directories": f'"{quoted}"', "port": str(self.port)}
        return {"unix_socket_directories": "", "listen_addresses": "127.0.0.1", "port": str(self.port)}


def fits_socket(folder: Path) -> bool:
    """Whether a client can be told of a socket in `folder`."""
    path = os.fsencode(folder / f".s.PGSQL.{_SOCKET_PORT}")
    return len(path) <= _LONGEST and b"," not in path


def socket_address(folder: Path) -> Address:
    """The socket in `folder`."""
    return Address(_SOCKET_PORT, folder=str(folder))


def port_address(password: str, wanted: int | None) -> Address:
    """A free loopback port: the one used last if it is still free, so that open pools find the server again."""
    return Address((_bound(wanted) if wanted else None) or _bound(0) or _SOCKET_PORT, password=password)


def _bound(port: int) -> int | None:
    """The port that binding to `port` gives (0: any), None if it is taken."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As PostgreSQL does: connections of the last run in TIME_WAIT do not make the port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
        bound: int = probe.getsockname()[1]
        return bound
