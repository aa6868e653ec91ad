"""A dump on disk: `NAME.sql.gz`, `NAME.sql.gz.sha256` as sha256sum writes it, and `NAME.sql.gz.json`, its manifest."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from llm_observatory.operate.backup.programs import BackupFailed

SUFFIX = ".sql.gz"
SUM, MANIFEST = ".sha256", ".json"
LATEST = f"latest{SUFFIX}"
"""A link to the newest dump of a folder."""

CHUNK = 1 << 20
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says where there is no room."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in a dump. `rows` by table; versions of the server, of TimescaleDB (None without), of the last migration."""

    made_by: str
    made_at: str
    database: str
    server_version: str
    timescaledb: str | None
    schema_version: str
    database_bytes: int
    rows: dict[str, int]

    def to_json(self) -> str:
        """The file."""
        return json.dumps(asdict(self), indent=2) + "\n"


def beside(dump: Path, suffix: str) -> Path:
    """The sum or the manifest of a dump; of the dump that a link names."""
    real = dump.resolve()
    return real.with_name(real.name + suffix)


def second(dump: Path) -> str:
    """When it began, as its name has it: by this, and not by the database before it, dumps of a folder are older or newer."""
    return dump.name.removesuffix(SUFFIX)[-len("20261128_020000") :]


def read_manifest(dump: Path) -> Manifest:
    """Raises BackupFailed where it is not there or damaged."""
    path = beside(dump, MANIFEST)
    try:
        return Manifest(**json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise BackupFailed(f"{path}: {error.strerror}: it belongs to the dump, copy it too") from error
    except (ValueError, TypeError) as error:
        raise BackupFailed(f"{path} is damaged: {error}") from error


def check(dump: Path) -> int:
    """Read a dump from its first to its last byte and compare its sum; its size. Raises BackupFailed where it is not whole.

    It is unpacked too: a file that was damaged before its sum was taken is no dump either.
    """
    found, size = hashlib.sha256(), 0
    with trouble(dump), dump.open("rb") as file:
        while block := file.read(CHUNK):
            found.update(block)
            size += len(block)
    with trouble(beside(dump, SUM)):
        wanted = beside(dump, SUM).read_text(encoding="ascii", errors="replace").split()[:1]
    if wanted != [found.hexdigest()]:
        raise BackupFailed(f"{dump} is corrupted: its sha256 is not the one in {beside(dump, SUM).name}. Take another backup")
    try:
        with gzip.open(dump) as unpacked:
            while unpacked.read(CHUNK):
                pass
    except (OSError, EOFError, zlib.error) as error:
        raise BackupFailed(f"{dump} is corrupted: it cannot be unpacked ({error}). Take another backup") from error
    return size


def sync(folder: Path) -> None:
    """Names that were given in the folder survive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def trouble(path: Path) -> Iterator[None]:
    """OSError as BackupFailed; of a full disk with the way out."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise BackupFailed(
                f"no room for the backup in {path.parent}: {error.strerror}. Nothing half-made is left; free some space, remove"
                " old dumps once they are in S3, or set BACKUP_DIR to another folder"
            ) from error
        raise BackupFailed(f"{error.filename or path}: {error.strerror}") from error
