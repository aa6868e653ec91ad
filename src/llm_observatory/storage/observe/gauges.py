"""An observation as gauges. What it does not know is absent from them."""

from __future__ import annotations

from llm_observatory import metrics
from llm_observatory.storage.observe.observation import Observation
from llm_observatory.storage.observe.readings import Archive, ArchiveWaiting, Backup, DatabaseState, LeftOver


def show(seen: Observation) -> None:
    """Set every gauge of `storage_…` that comes from looking at the database."""
    _show_database(seen.database)
    metrics.FIRST_MIGRATION.show(None if seen.age is None else seen.age.created_at.timestamp())
    _show_left_over(seen.left_over)
    _show_backups(seen.backups or [])
    _show_archive(*(seen.archive or (None, None)))
    metrics.TABLE_SIZE.show_by(seen.table_sizes or {})
    metrics.ROLLUP_LAG.show_by(seen.rollup_lag or {})
    metrics.REPLICATION_LAG.show_by({replica.name: replica.lag_seconds for replica in seen.replicas or []})
    metrics.CERTIFICATE_EXPIRY.show_by({name: end.timestamp() for name, end in seen.certificates.items()})
    metrics.OBSERVED_AT.show(seen.taken_at.timestamp())
    metrics.OBSERVATIONS.labels("error" if seen.failed else "success").inc()


def _show_database(state: DatabaseState | None) -> None:
    metrics.DATABASE_SIZE.show(None if state is None else state.size_bytes)
    metrics.CACHE_HIT_RATIO.show(None if state is None else state.cache_hit_ratio)
    metrics.TRANSACTIONS_ID_AGE.show(None if state is None else state.transactions_id_age)
    metrics.MAINTENANCE_MODE.show(None if state is None else state.maintenance is not None)


def _show_left_over(found: LeftOver | None) -> None:
    metrics.DEAD_LETTER_ROWS.show(None if found is None else found.dead_letters)
    metrics.LEDGER_ROWS.show(None if found is None else found.ledger_rows)
    metrics.LEDGER_OLDEST_AGE.show(None if found is None else found.ledger_oldest_seconds)


def _show_backups(found: list[Backup]) -> None:
    metrics.BACKUP_LAST_SUCCESS.show_by({backup.kind: backup.finished_at.timestamp() for backup in found})
    metrics.BACKUP_SIZE.show_by({backup.kind: backup.bytes for backup in found})


def _show_archive(archive: Archive | None, waiting: ArchiveWaiting | None) -> None:
    last = archive.last_success if archive is not None else None
    metrics.WAL_ARCHIVE_ENABLED.show(None if archive is None else archive.enabled)
    metrics.WAL_ARCHIVE_FAILURES.show(None if archive is None else archive.failures)
    metrics.WAL_ARCHIVE_LAST_SUCCESS.show(None if last is None else last.timestamp())
    metrics.WAL_ARCHIVE_WAITING.show(None if waiting is None else waiting.files)
