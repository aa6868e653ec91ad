"""A dump of the database as it is, by pg_dump, in its custom format."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path

from llm_observatory.errors import EmbeddedServerError, ObservatoryError
from llm_observatory.storage.connection import connect
from llm_observatory.storage.embedded import programs
from llm_observatory.storage.target import without_password

_VERSION = re.compile(r"(\d+)(?:\.\d+|devel|beta|rc)")


class DumpFailed(ObservatoryError):
    """There is no dump. The message says why, and what to do."""


def dump(conninfo: str, file: Path) -> None:
    """Write the database to `file`, which must not exist: whole, or not at all. Raises DumpFailed, StorageError."""
    if file.exists():
        message = f"{file} exists already: name another file"
        raise DumpFailed(message)
    program = _pg_dump(asyncio.run(_server_major(conninfo)))
    partial = file.with_name(f"{file.name}.partial")
    place, password = without_password(conninfo)
    environment = {**os.environ, **({} if password is None else {"PGPASSWORD": password})}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # The owner's alone: in it is all that clients sent.
        os.close(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
        ran = subprocess.run(
            [program, "--format=custom", "--no-password", f"--file={partial}", f"--dbname={place}"],
            env=environment, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if ran.returncode != 0:
            said = " ".join(ran.stderr.split())[-500:]
            message = f"pg_dump failed with status {ran.returncode}: {said}"
            raise DumpFailed(message)
        partial.rename(file)
    except OSError as error:
        message = f"{error.filename or file}: {error.strerror}"
        raise DumpFailed(message) from None
    finally:
        partial.unlink(missing_ok=True)


async def _server_major(conninfo: str) -> int:
    connection = await connect(conninfo)
    try:
        return connection.info.server_version // 10_000
    finally:
        await connection.close()


def _pg_dump(server: int) -> Path:
    """One that is not older than the server: the system's, else that beside the embedded server."""
    found = [Path(path) for path in (shutil.which("pg_dump"), _of_the_embedded_server()) if path]
    versions = {path: _major(path) for path in found}
    for path, version in versions.items():
        if version >= server:
            return path
    there = f"pg_dump {max(versions.values())} is older than it" if versions else "there is no pg_dump"
    message = f"the server is PostgreSQL {server} and {there}: install the client programs of PostgreSQL {server}"
    raise DumpFailed(message)


def _of_the_embedded_server() -> str | None:
    try:
        return shutil.which("pg_dump", path=str(programs()))
    except EmbeddedServerError:
        return None


def _major(program: Path) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    match = _VERSION.search(said)
    return int(match[1]) if match else 0
