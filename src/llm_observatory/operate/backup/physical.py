"""`backup physical` and `restore --latest`: pgBackRest does it, with the settings of its own configuration file.

Everything about repositories (where, encrypted how, kept how long) stands there and nowhere else; see
deploy/postgres/pgbackrest. Here it is told what to do, and its answers are read.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from llm_observatory.operate.backup.files import FULL
from llm_observatory.operate.backup.programs import BackupFailed, run
from llm_observatory.storage import backups
from llm_observatory.storage.backups import Backup, RestoreRefused

Type = Literal["full", "diff", "incr"]

_PG_VERSION, _PID_FILE = "PG_VERSION", "postmaster.pid"


@dataclass(frozen=True, slots=True)
class Repository:
    """Which one: the stanza (a server's name in it), its number, pgBackRest's configuration file (None: its own default)."""

    stanza: str
    number: int = 1
    config: Path | None = None

    @property
    def destination(self) -> str:
        """What `backups` calls it."""
        return f"repo{self.number}"

    def command(self, *words: str) -> list[str]:
        """What runs pgBackRest with these words. Raises BackupFailed where it is not installed."""
        program = shutil.which("pgbackrest")
        if program is None:
            raise BackupFailed("pgbackrest is not on PATH: install it (Debian: apt install pgbackrest), or make a dump")
        config = [f"--config={self.config}"] if self.config is not None else []
        return [program, *config, f"--stanza={self.stanza}", f"--repo={self.number}", "--log-level-console=warn", *words]


async def make(conninfo: str, repository: Repository, kind: Type) -> tuple[Backup, Backup | None]:
    """Back the server up; the backup, and the one before it. Runs as the account that may read the data folder.

    Raises BackupFailed, StorageError.
    """
    started = datetime.now(UTC)
    try:
        run(repository.command(f"--type={kind}", "backup"))
    except BackupFailed as error:
        raise _explained(error, repository) from error.__cause__
    last = _stanza(repository)["backup"][-1]
    size = last["info"]["repository"]["size"]
    made = Backup("physical", last["label"], repository.destination, started, datetime.now(UTC), size, last["info"]["size"])
    async with backups.opened(conninfo) as connection:
        return made, await backups.record(connection, made)


def _explained(error: BackupFailed, repository: Repository) -> BackupFailed:
    """Of a full disk with the way out. PgBackRest does not always say that it is full, only that it cannot write."""
    said = str(error)
    if "unable to write" in said or any(os.strerror(number) in said for number in FULL):
        why = f"{repository.destination} cannot be written, most often for want of room"
    elif "was not archived" in said:
        why = f"WAL does not get into {repository.destination}, most often for want of room or because it cannot be reached"
    else:
        return error
    return BackupFailed(
        f"{why}: {said}\nEarlier backups stay as they were; what was begun the next one removes or goes on with. See df -h and"
        " pg_stat_archiver soon: WAL that waits fills PostgreSQL's disk. For room keep fewer backups and run pgbackrest"
        f" --stanza={repository.stanza} --repo={repository.number} expire, or move the repository to another disk"
    )


def verify(repository: Repository) -> list[str]:
    """Read every file of the repository back and compare its sum; the labels of the backups that are whole.

    Raises BackupFailed for one that is not, and where there is none. pgBackRest 2.45 ends with 0 all the same.
    """
    said = run(repository.command("--output=text", "--verbose", "verify"))
    labels = [backup["label"] for backup in _stanza(repository)["backup"]]
    if "status: ok" not in said or not labels:
        raise BackupFailed(f"{repository.destination} is corrupted or empty:\n{said.strip()}\nTake a full backup now")
    return labels


def restore(repository: Repository, folder: Path, target_time: datetime | None, *, drop_existing: bool = False) -> None:
    """Put the newest backup and the WAL after it into a data folder; PostgreSQL replays it when it is started next.

    With `target_time` up to that moment. What the folder has in common with the backup is left as it is (delta). Raises
    RestoreRefused (nothing was touched), BackupFailed.
    """
    if (folder / _PID_FILE).exists():
        raise RestoreRefused(f"a PostgreSQL runs on {folder}, or {_PID_FILE} was left by one: stop it first")
    full = folder.is_dir() and any(folder.iterdir())
    if full and not (folder / _PG_VERSION).exists():
        raise RestoreRefused(f"{folder} is not empty and no data folder of PostgreSQL: name another with --pgdata")
    if full and not drop_existing:
        raise RestoreRefused(
            f"there is a database in {folder} already: name another folder, or replace it with --drop-existing"
        )
    words = [f"--pg1-path={folder}", *(["--delta"] if full else [])]
    if target_time is not None:
        words += ["--type=time", f"--target={target_time.isoformat(sep=' ')}", "--target-action=promote"]
    run(repository.command(*words, "restore"), dict(os.environ))


def _stanza(repository: Repository) -> dict[str, Any]:
    found: Sequence[dict[str, Any]] = json.loads(run(repository.command("--output=json", "info")))
    if not found or not found[0].get("backup"):
        raise BackupFailed(f"{repository.destination} has no backup of stanza {repository.stanza}")
    return found[0]
