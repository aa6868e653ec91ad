"""A dump before the schema changes, by pg_dump in its custom format: it needs no table of ours, for there may be none yet."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from llm_observatory.operate.backup import files
from llm_observatory.operate.backup.programs import BackupFailed, client_program, libpq_environment, run
from llm_observatory.storage.connection import connected


def dump(conninfo: str, file: Path) -> None:
    """Write the database to `file`, which must not exist: whole, or not at all. Raises BackupFailed, StorageError."""
    if file.exists():
        raise BackupFailed(f"{file} exists already: name another file")
    program = client_program("pg_dump", asyncio.run(_server_major(conninfo)))
    partial = file.with_name(f"{file.name}.partial")
    with files.trouble(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            # The owner's alone: in it is all that clients sent.
            os.close(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
            run([program, "--format=custom", "--no-password", f"--file={partial}"], libpq_environment(conninfo))
            partial.rename(file)
        finally:
            partial.unlink(missing_ok=True)


async def _server_major(conninfo: str) -> int:
    async with connected(conninfo) as connection:
        return connection.info.server_version // 10_000
