"""`backup dump`: pg_dump's SQL, compressed as it comes, under a name that it gets only when it is whole and on disk."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from llm_observatory import __version__
from llm_observatory.operate.backup import files
from llm_observatory.operate.backup.files import MANIFEST, SUFFIX, SUM, Manifest
from llm_observatory.operate.backup.programs import BackupFailed, client_program, last_words, libpq_environment
from llm_observatory.storage import backups
from llm_observatory.storage.backups import Backup, Snapshot

LEVEL = 6
"""Of gzip, as its own default: half as much again is not saved at 9, in three times the time."""

_LINK = f".{files.LATEST}"
_BESIDE = (SUM, MANIFEST, _LINK)
"""What is made beside a dump."""

_NEXT_SECOND = 0.1
"""Seconds between looks whether the next one has begun."""


class _Summed:
    """A file that takes the sum of what is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def write(self, block: bytes) -> int:
        self.sha256.update(block)
        return self._file.write(block)

    def flush(self) -> None:
        self._file.flush()


async def make(conninfo: str, folder: Path, progress: Callable[[str], None]) -> tuple[Backup, Backup | None]:
    """Dump the database into `folder`; the backup, and the one before it. Records may be taken in meanwhile.

    Raises BackupFailed, StorageError. What was begun is then taken away again; the dumps before it stay.
    """
    async with backups.opened(conninfo) as connection:
        database = await backups.name(connection)
    # Before the snapshot: a later name has later rows.
    target, started = await _named(_ready(folder), database)
    try:
        async with backups.snapshot(conninfo) as found:
            program = client_program("pg_dump", found.major)
            progress(f"{sum(found.rows.values()):,} rows in {len(found.rows)} tables, {program}")
            command = [str(program), "--format=plain", "--no-password", f"--snapshot={found.snapshot}"]
            size = _write(target, command, libpq_environment(conninfo), _manifest(found, started))
    finally:
        for suffix in ("", *_BESIDE):
            _part(target, suffix).unlink(missing_ok=True)
    folder = target.parent
    made = Backup("dump", target.name, str(folder), started, datetime.now(UTC), size, found.bytes)
    async with backups.opened(conninfo) as connection:
        return made, await backups.record(connection, made)


def _ready(folder: Path) -> Path:
    with files.trouble(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return folder.resolve()


async def _named(folder: Path, database: str) -> tuple[Path, datetime]:
    """A dump of this second, its part made: of two in one second the later waits, for it would take the other's name."""
    while True:
        now = datetime.now(UTC)
        target = folder / f"{database.replace('/', '_')}_{now:%Y%m%d_%H%M%S}{SUFFIX}"
        part = _part(target)
        with files.trouble(target), suppress(FileExistsError):
            _private(part).close()
            if not target.exists():
                return target, now
            part.unlink(missing_ok=True)
        await asyncio.sleep(_NEXT_SECOND)


def _part(target: Path, suffix: str = "") -> Path:
    return target.with_name(f".{target.name}{suffix}.part")


def _manifest(found: Snapshot, started: datetime) -> Manifest:
    return Manifest(
        made_by=f"llm-observatory {__version__}",
        made_at=started.isoformat(timespec="seconds"),
        database=found.database,
        server_version=found.server_version,
        timescaledb=found.timescaledb,
        schema_version=found.schema_version,
        database_bytes=found.bytes,
        rows=found.rows,
    )


def _write(target: Path, command: Sequence[str], environment: dict[str, str], manifest: Manifest) -> int:
    """The dump and what belongs to it; its size. The dump gets its name last: what has a name is whole."""
    with files.trouble(target):
        summed = _stream(_part(target), command, environment)
        _text(_part(target, SUM), f"{summed}  {target.name}\n")
        _text(_part(target, MANIFEST), manifest.to_json())
        for suffix in (SUM, MANIFEST, ""):
            _part(target, suffix).rename(target.with_name(target.name + suffix))
        _point(target)
        files.sync(target.parent)
        return target.stat().st_size


def _stream(part: Path, command: Sequence[str], environment: dict[str, str]) -> str:
    with ExitStack() as stack:
        said = stack.enter_context(tempfile.TemporaryFile())
        raw = stack.enter_context(part.open("wb"))
        child = stack.enter_context(
            subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said)
        )
        stack.callback(child.kill)  # harmless to one that has ended
        assert child.stdout is not None  # noqa: S101 - a pipe was asked for
        summed = _Summed(raw)
        with gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=summed, mtime=0) as packed:
            while block := child.stdout.read(files.CHUNK):
                packed.write(block)
        if child.wait() != 0:
            said.seek(0)
            raise BackupFailed(
                f"pg_dump ended with status {child.returncode}: {last_words(said.read().decode(errors='replace'))}"
            )
        raw.flush()
        os.fsync(raw.fileno())
    return summed.sha256.hexdigest()


def _text(path: Path, text: str) -> None:
    with _private(path) as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _private(path: Path) -> IO[bytes]:
    """A new file. What people said to models is in it: for its owner only. Raises FileExistsError."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _point(target: Path) -> None:
    """Let `latest.sql.gz` lead to it, unless it leads to one that began later."""
    latest, link = target.with_name(files.LATEST), _part(target, _LINK)
    if not (latest.exists() and files.second(latest.resolve()) > files.second(target)):
        link.symlink_to(target.name)
        link.rename(latest)
