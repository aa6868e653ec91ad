"""`restore FILE`: a dump into a database that is made for it, counted, and only then given its name."""

from __future__ import annotations

import gzip
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from llm_observatory.operate.backup import files
from llm_observatory.operate.backup.files import Manifest
from llm_observatory.operate.backup.programs import BackupFailed, client_program, last_words, libpq_environment
from llm_observatory.storage import backups
from llm_observatory.storage.backups import RestoreRefused, of_database
from llm_observatory.storage.connection import AsyncConnection

_MAINTENANCE_DATABASE = "postgres"


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of it. `seconds` from the first byte read to the database having its name."""

    database: str
    rows: int
    tables: int
    seconds: float


async def restore(
    conninfo: str, dump: Path, target: str, progress: Callable[[str], None], *, drop_existing: bool = False
) -> Restored:
    """Make database `target` on the server of `conninfo` what `dump` says. Needs a superuser, or who may create databases.

    A database that is there is only replaced with `drop_existing`, when nobody is connected to it, and after all rows of the
    dump were counted in the new one. Raises RestoreRefused (nothing was touched), BackupFailed, StorageError.
    """
    began = time.monotonic()
    fresh = f"{target[:40]}_restoring"
    async with backups.opened(of_database(conninfo, _MAINTENANCE_DATABASE)) as server:
        await _demand(server, target, drop_existing=drop_existing)
        progress(f"reading {dump} and its sha256")
        files.check(dump)
        manifest = files.read_manifest(dump)
        major = server.info.server_version // 10_000
        psql = client_program("psql", major)
        await backups.drop_database(server, fresh)  # of a run that was interrupted
        await backups.create_database(server, fresh)
        try:
            progress(f"restoring {sum(manifest.rows.values()):,} rows of {manifest.made_at}")
            await _fill(of_database(conninfo, fresh), dump, manifest, psql)
            await _demand(server, target, drop_existing=drop_existing)
            await backups.drop_database(server, target)
            await backups.rename_database(server, fresh, target)
        except BaseException:
            await backups.drop_database(server, fresh)
            raise
    if manifest.timescaledb is not None:
        async with backups.opened(of_database(conninfo, target)) as connection:
            await backups.start_timescaledb(connection)
    return Restored(target, sum(manifest.rows.values()), len(manifest.rows), time.monotonic() - began)


async def _demand(server: AsyncConnection, target: str, *, drop_existing: bool) -> None:
    if not await backups.exists(server, target):
        return
    if not drop_existing:
        raise RestoreRefused(
            f"there is a database {target} already: name another with --target, or replace it with --drop-existing"
        )
    if connected := await backups.users(server, target):
        raise RestoreRefused(
            f"database {target} is in use by {', '.join(connected)}: stop the service (and whoever else is connected) first"
        )


async def _fill(conninfo: str, dump: Path, manifest: Manifest, psql: Path) -> None:
    if manifest.timescaledb is not None:
        async with backups.opened(conninfo) as connection:
            await backups.prepare_timescaledb(connection, manifest.timescaledb)
    _load(conninfo, dump, psql)
    if manifest.timescaledb is not None:
        async with backups.opened(conninfo) as connection:
            await backups.finish_timescaledb(connection)
    async with backups.opened(conninfo) as connection:
        found = await backups.count_rows(connection)
        await connection.execute("ANALYZE")
    wrong = [
        f"{name}: {found.get(name, 0):,} instead of {rows:,}" for name, rows in manifest.rows.items() if found.get(name) != rows
    ]
    if wrong:
        raise BackupFailed(f"the restored rows are not those of the dump: {'; '.join(wrong)}")


def _load(conninfo: str, dump: Path, psql: Path) -> None:
    command = [str(psql), "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
    with tempfile.TemporaryFile() as said, gzip.open(dump) as unpacked:
        child = subprocess.Popen(command, env=libpq_environment(conninfo), stdin=subprocess.PIPE, stdout=said, stderr=said)
        try:
            assert child.stdin is not None  # noqa: S101 - a pipe was asked for
            try:
                while block := unpacked.read(files.CHUNK):
                    child.stdin.write(block)
                child.stdin.close()
            except BrokenPipeError:
                pass  # it has ended, and says why
            child.wait()
        finally:
            child.kill()
        if child.returncode != 0:
            said.seek(0)
            raise BackupFailed(f"psql ended with status {child.returncode}: {last_words(said.read().decode(errors='replace'))}")
