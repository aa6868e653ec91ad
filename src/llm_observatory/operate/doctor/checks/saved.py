"""Whether there is a way back: backups, WAL, standbys; and for how long certificates last."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from llm_observatory.operate.doctor.advice import psql
from llm_observatory.operate.doctor.findings import Database, Findings, unknown
from llm_observatory.operate.doctor.line import Line, Status
from llm_observatory.operate.doctor.thresholds import shown
from llm_observatory.storage.observe.readings import Archive, ArchiveWaiting, Backup

_BACK_UP = "deploy/scripts/backup.sh, then deploy/scripts/verify_backup.sh"


def backups(found: Findings, database: Database) -> Iterator[Line]:
    """Age of the newest of each kind, and its size against the one before."""
    newest = database.seen.backups
    if newest is None:
        yield unknown("backups", database.seen.failed.get("backups"))
    elif not newest:
        yield _none(found, database)
    for backup in newest or []:
        ages = {"dump": found.thresholds.backup_age_dump, "physical": found.thresholds.backup_age_physical}
        says = f"{backup.label} in {backup.destination}, {shown(backup.age_seconds, 'seconds')} old"
        yield ages[backup.kind].line(f"backup age, {backup.kind}", backup.age_seconds, says, _BACK_UP)
        yield from _size(found, backup)


def _none(found: Findings, database: Database) -> Line:
    """A failure as soon as a dump of the first minute would be too old, and where nothing tells the age."""
    limit = found.thresholds.backup_age_dump
    threshold = f"warn without one, {limit}"
    if database.seen.age is None:
        says = "none was ever recorded; how old the database is, is not known"
        return Line("backups", "fail", says, threshold, _BACK_UP)
    age = database.seen.age.seconds
    status: Status = "warn" if limit.status(age) == "ok" else "fail"
    says = f"none was ever recorded; the database is {shown(age, 'seconds')} old"
    return Line("backups", status, says, threshold, _BACK_UP, age)


def _size(found: Findings, backup: Backup) -> Iterator[Line]:
    # One of pgBackRest may hold only what changed: of those what was saved is compared.
    of_kind = {
        "dump": (backup.bytes, backup.earlier_bytes),
        "physical": (backup.database_bytes, backup.earlier_database_bytes),
    }
    size, before = of_kind[backup.kind]
    if not before:
        return
    says = f"{shown(size, 'bytes')} after {shown(before, 'bytes')} of the one before"
    yield found.thresholds.backup_size.line(
        f"backup size, {backup.kind}", size / before, says, "deploy/scripts/verify_backup.sh -v"
    )


def wal_archive(found: Findings, database: Database) -> Iterator[Line]:
    """How far it is behind: for how long the oldest file waits."""
    if database.seen.archive is None:
        yield unknown("WAL archiving", database.seen.failed.get("archive"))
        return
    archive, waiting = database.seen.archive
    limit = str(found.thresholds.wal_archive)
    if not archive.enabled:
        says = "archive_mode is off: what was written since the last backup is lost with the disk"
        yield Line(
            "WAL archiving", "warn", says, limit, "deploy/postgres: archive_mode and archive_command, then restart PostgreSQL"
        )
        return
    behind = _behind(archive, waiting)
    files = f"{waiting.files} files wait" if waiting is not None else "what waits is shown to members of pg_monitor"
    last = archive.seconds_since_success
    ago = "none was archived yet" if last is None else f"the last was archived {shown(last, 'seconds')} ago"
    says = f"{files}, {ago}, {archive.failures} tries failed"
    yield found.thresholds.wal_archive.line("WAL archiving", behind, says, psql("TABLE pg_stat_archiver"))


def _behind(archive: Archive, waiting: ArchiveWaiting | None) -> float:
    """Seconds. Where nothing is written nothing has to be archived, however long ago the last was."""
    if waiting is not None:
        return waiting.oldest_seconds or 0.0
    return (archive.seconds_since_success or 0.0) if archive.failed_last else 0.0


def replication(found: Findings, database: Database) -> Iterator[Line]:
    """Each standby that is connected."""
    replicas = database.seen.replicas
    if replicas is None:
        yield unknown("replication", database.seen.failed.get("replicas"))
    elif not replicas:
        yield Line("replication", "ok", "no standby is connected", str(found.thresholds.replication_lag))
    for replica in replicas or []:
        says = f"{replica.name} is {shown(replica.lag_seconds, 'seconds')} behind"
        yield found.thresholds.replication_lag.line("replication", replica.lag_seconds, says, psql("TABLE pg_stat_replication"))


def certificates(found: Findings, database: Database) -> Iterator[Line]:
    """For how long each is valid."""
    for name, ends in database.seen.certificates.items():
        left = (ends - datetime.now(UTC)).total_seconds()
        says = f"{name}: ends {ends:%Y-%m-%d}, " + (f"in {shown(left, 'seconds')}" if left > 0 else "it has ended")
        advice = (
            "renew it: the service reads its files again by itself"
            if name == "otlp"
            else f"renew it, then {psql('SELECT pg_reload_conf()')}"
        )
        yield found.thresholds.certificate.line("certificate", left, says, advice)
    for name, why in database.seen.failed.items():
        if name.startswith("certificate"):
            yield Line("certificate", "fail", why, str(found.thresholds.certificate), "llm-observatory check")
    if not database.seen.certificates and not any(name.startswith("certificate") for name in database.seen.failed):
        yield Line(
            "certificate",
            "ok",
            "none: neither the database nor the service is reached over TLS",
            str(found.thresholds.certificate),
        )
