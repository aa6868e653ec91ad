"""`backup` and `restore`: what is kept for the worst day, and the way back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar

import typer

from llm_observatory.app.cli.output import Json, say
from llm_observatory.settings import Settings, load

if TYPE_CHECKING:
    from llm_observatory.operate.backup.physical import Repository
    from llm_observatory.storage.backups import Backup

Made: TypeAlias = "tuple[Backup, Backup | None]"
"""A backup, and the one before it."""

R = TypeVar("R")

MEBIBYTE = 1024**2

backup = typer.Typer(no_args_is_help=True, help="Make backups, list them, read them back.")

Stanza = Annotated[str, typer.Option(envvar="PGBACKREST_STANZA", help="What pgBackRest's configuration calls the server.")]
Repo = Annotated[int, typer.Option(min=1, help="Which repository of pgBackRest's configuration.")]
Config = Annotated[
    Path | None,
    typer.Option(envvar="PGBACKREST_CONFIG", help="pgBackRest's configuration file, if it is not where pgBackRest looks."),
]
Bucket = Annotated[str, typer.Option(help="The bucket; AWS's own variables say where S3 is and who we are.")]
STANZA = "llm-observatory"


@backup.command()
def physical(
    kind: Annotated[Literal["full", "diff", "incr"], typer.Option("--type", help="As pgBackRest has it.")] = "incr",
    repo: Repo = 1,
    stanza: Stanza = STANZA,
    config: Config = None,
    *,
    as_json: Json = False,
) -> None:
    """Back the whole server up with pgBackRest. Run it as the account that PostgreSQL runs as."""
    from llm_observatory.operate.backup import physical as work

    _made(lambda url: work.make(url, _repository(stanza, repo, config), kind), load(), as_json=as_json)


@backup.command()
def dump(*, as_json: Json = False) -> None:
    """Dump the database with pg_dump into BACKUP_DIR: for a move to another version, and a second way back."""
    from llm_observatory.operate.backup import dump as work

    settings = load()
    _made(lambda url: work.make(url, settings.backup_dir, say), settings, as_json=as_json)


@backup.command()
def upload(
    bucket: Bucket,
    *,
    encrypt: Annotated[bool, typer.Option("--encrypt", help="Let S3 encrypt what it stores (SSE-S3).")] = False,
    as_json: Json = False,
) -> None:
    """Send the dumps of BACKUP_DIR that the bucket does not have yet."""
    from llm_observatory.operate.backup import s3

    sent = s3.upload(load().backup_dir, bucket, say, encrypt=encrypt)
    if as_json:
        typer.echo(json.dumps({"bucket": bucket, "sent": sent}, indent=2))
    else:
        typer.echo("\n".join(f"sent {key}" for key in sent) or f"s3://{bucket} has every dump already")


@backup.command(name="list")
def list_(*, as_json: Json = False) -> None:
    """List the backups that were made, the newest first."""
    from llm_observatory.storage import backups

    async def found(url: str) -> list[Backup]:
        async with backups.opened(url) as connection:
            return await backups.listed(connection)

    listed = _on_database(found, load())
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in listed], default=str, indent=2))
        return
    for one in listed:
        verified = f"verified {one.verified_at:%Y-%m-%d %H:%M}" if one.verified_at else "not verified"
        where = f"{one.kind:<8}  {one.label}  {one.destination}"
        typer.echo(f"{one.finished_at:%Y-%m-%d %H:%M:%S}  {where}  {_mib(one.bytes)} MiB  {verified}")


@backup.command()
def verify(
    file: Annotated[Path | None, typer.Argument(help="A dump; the newest of BACKUP_DIR without it.")] = None,
    repo: Annotated[int | None, typer.Option(min=1, help="A repository of pgBackRest instead.")] = None,
    stanza: Stanza = STANZA,
    config: Config = None,
    *,
    as_json: Json = False,
) -> None:
    """Read a backup back from its first to its last byte; exit code 1 where it is not whole."""
    from llm_observatory.operate.backup import files
    from llm_observatory.operate.backup import physical as work

    settings = load()
    if repo is None:
        path = file or settings.backup_dir / files.LATEST
        size, manifest = files.check(path), files.read_manifest(path)
        kind, destination, labels = "dump", None, [path.resolve().name]
        said = f"{labels[0]}: {_mib(size)} MiB, {sum(manifest.rows.values()):,} rows of {manifest.made_at}"
    else:
        repository = _repository(stanza, repo, config)
        kind, destination, labels = "physical", repository.destination, work.verify(repository)
        said = f"{destination}: {', '.join(labels)}"
    noted = _on_database(lambda url: _note(url, kind, labels, destination), settings)
    if as_json:
        typer.echo(json.dumps({"whole": True, "kind": kind, "labels": labels, "noted": noted}, indent=2))
    else:
        typer.echo(f"whole: {said}" + ("" if noted else " (not in this database's list of backups)"))


async def _note(url: str, kind: str, labels: list[str], destination: str | None) -> int:
    from llm_observatory.storage import backups

    async with backups.opened(url) as connection:
        return sum([await backups.verified(connection, kind, label, destination) for label in labels])


def restore(  # noqa: PLR0913 - options of a verb
    file: Annotated[str | None, typer.Argument(help="A dump; with --bucket its key there.")] = None,
    *,
    target: Annotated[str | None, typer.Option(help="The database it becomes; without it the configured one.")] = None,
    bucket: Annotated[str | None, typer.Option(help="Fetch the dump from this bucket.")] = None,
    latest: Annotated[bool, typer.Option("--latest", help="The newest backup of pgBackRest's repository and all WAL.")] = False,
    target_time: Annotated[
        str | None, typer.Option(help="The same, up to a moment: 2026-11-28T14:25:00+00:00; UTC without a zone.")
    ] = None,
    pgdata: Annotated[
        Path | None, typer.Option(envvar="PGDATA", help="With them: the data folder to fill; its server must be stopped.")
    ] = None,
    repo: Repo = 1,
    stanza: Stanza = STANZA,
    config: Config = None,
    drop_existing: Annotated[bool, typer.Option("--drop-existing", help="Replace what is there.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Restore a dump into a database, or a repository of pgBackRest into a data folder.

    Nothing that is there is replaced without --drop-existing, nor while somebody is connected to it.
    """
    from_repository = latest or target_time is not None
    if from_repository == (file is not None):
        raise typer.BadParameter("name a dump, or say --latest or --target-time")
    if from_repository and target is not None:
        raise typer.BadParameter(
            "a repository is of the whole server: fill a data folder beside it (--pgdata) for one database of it",
            param_hint="--target",
        )
    if from_repository and pgdata is None:
        raise typer.BadParameter("say with --pgdata which data folder to fill", param_hint="--pgdata")
    settings = load()
    database = target or settings.db_name
    where = str(pgdata) if from_repository else f"database {database}"
    if drop_existing and not yes:
        typer.confirm(f"What is in {where} is replaced and gone. Go on?", abort=True, err=True)
    if pgdata is not None and from_repository:
        _restore_repository(_repository(stanza, repo, config), pgdata, target_time, drop_existing=drop_existing)
    elif file is not None:
        _restore_dump(settings, file, bucket, target, drop_existing=drop_existing)


def _restore_repository(repository: Repository, pgdata: Path, target_time: str | None, *, drop_existing: bool) -> None:
    from llm_observatory.operate.backup import physical as work

    moment = _moment(target_time) if target_time is not None else None
    work.restore(repository, pgdata.absolute(), moment, drop_existing=drop_existing)
    until = f"up to {moment.isoformat(sep=' ')}" if moment else "with all WAL that was archived"
    typer.echo(f"{pgdata} is restored from {repository.destination} {until}: start PostgreSQL on it")


def _restore_dump(settings: Settings, file: str, bucket: str | None, target: str | None, *, drop_existing: bool) -> None:
    from llm_observatory.operate.backup import restore as work
    from llm_observatory.operate.backup import s3
    from llm_observatory.storage.backups import parts

    with TemporaryDirectory(prefix="observatory-restore-") as folder:
        path = Path(file) if bucket is None else s3.download(bucket, file, Path(folder))

        def go(url: str) -> Coroutine[Any, Any, work.Restored]:
            return work.restore(url, path, target or parts(url)["dbname"], say, drop_existing=drop_existing)

        # The machine may be new: a dump is what its database begins with.
        done = _on_database(go, settings, create=True)
    typer.echo(f"database {done.database}: {done.rows:,} rows in {done.tables} tables, as the dump says; {done.seconds:.1f} s")


def _moment(text: str) -> datetime:
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        message = f"{text} is no moment: 2026-11-28T14:25:00+00:00"
        raise typer.BadParameter(message, param_hint="--target-time") from None
    return given if given.tzinfo is not None else given.replace(tzinfo=UTC)


def _repository(stanza: str, repo: int, config: Path | None) -> Repository:
    from llm_observatory.operate.backup.physical import Repository

    return Repository(stanza, repo, config)


def _made(make: Callable[[str], Coroutine[Any, Any, Made]], settings: Settings, *, as_json: bool) -> None:
    done, before = _on_database(make, settings)
    seconds = (done.finished_at - done.started_at).total_seconds()
    if as_json:
        document = {**asdict(done), "seconds": seconds, "before": None if before is None else asdict(before)}
        typer.echo(json.dumps(document, default=str, indent=2))
        return
    compared = f", {done.bytes / before.bytes - 1:+.1%} against {before.label}" if before and before.bytes else ""
    typer.echo(f"{done.label} in {done.destination}: {_mib(done.bytes)} MiB in {seconds:.1f} s{compared}")


def _mib(size: int) -> str:
    return f"{size / MEBIBYTE:,.1f}"


def _on_database(work: Callable[[str], Coroutine[Any, Any, R]], settings: Settings, *, create: bool = False) -> R:
    from llm_observatory.app.cli.database import reach

    with reach(settings, say, create=create) as target:
        return asyncio.run(work(target.direct))
