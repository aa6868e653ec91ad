"""The one boundary where psycopg's errors become ours. Decided by SQLSTATE class, never by message text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import psycopg.errors
import psycopg_pool

from llm_observatory import metrics
from llm_observatory.errors import DataRejected, MissingPartition, SchemaMismatch, StorageError, StorageUnavailable

_TRANSIENT_CLASSES = ("08", "53")  # connection, insufficient resources (disk full, too many connections)
_TRANSIENT_CODES = frozenset({
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    "55P03",  # lock_not_available: lock_timeout
    "57014",  # query_canceled: statement_timeout
    "57P01", "57P02", "57P03",  # admin shutdown, crash shutdown, cannot connect now
    "57P05",  # idle_session_timeout
    "25P03",  # idle_in_transaction_session_timeout
    "25006",  # read_only_sql_transaction: a standby after failover
})  # fmt: skip
_OPERATOR_CLASSES = ("42", "28", "3D", "3F", "0A")
"""Syntax or access rule, authorization, no such database, no such schema, feature not supported: by this version or licence."""
_DATA_CLASSES = ("22", "23", "54")  # data, integrity, program limit exceeded
_INTERNAL_ERROR = "XX000"
"""What a value makes PostgreSQL say when it wants an allocation above 1 GB. As transient it would come back for ever; the
probe row tells it from a server that is broken."""


def _missing_partition(error: psycopg.Error) -> bool:
    """Routing fails with check_violation and no constraint; a real CHECK always names its constraint."""
    return isinstance(error, psycopg.errors.CheckViolation) and not error.diag.constraint_name


_NOT_AVAILABLE = "the database is not available"


def translate(error: psycopg.Error, silent: str = _NOT_AVAILABLE) -> StorageError:
    """The error of ours that `error` stands for; `silent` is its message where no server gave a SQLSTATE.

    An unknown SQLSTATE is transient: acknowledged data is never at stake.
    """
    state = error.sqlstate
    if state is None:
        return StorageUnavailable(silent)
    if state.startswith(_TRANSIENT_CLASSES) or state in _TRANSIENT_CODES:
        return StorageUnavailable(_NOT_AVAILABLE, state)
    if _missing_partition(error):
        return MissingPartition("no partition covers this time", state)
    if state.startswith(_OPERATOR_CLASSES):
        return SchemaMismatch("the database is not set up for this version", state)
    if state.startswith(_DATA_CLASSES) or state == _INTERNAL_ERROR:
        return DataRejected("the database refused the data", state)
    return StorageUnavailable("the database failed", state)


_ERROR_TYPES = (
    (MissingPartition, "missing_partition"),
    (SchemaMismatch, "schema"),
    (DataRejected, "data"),
    (StorageUnavailable, "unavailable"),
)


@contextmanager
def translated(silent: str = _NOT_AVAILABLE) -> Iterator[None]:
    """Run a block of psycopg calls; what it raises leaves as a StorageError (see `translate`), counted by kind."""
    try:
        yield
    except (psycopg.Error, psycopg_pool.PoolTimeout, psycopg_pool.PoolClosed) as error:
        ours = translate(error, silent)
        kind = next((name for kind, name in _ERROR_TYPES if isinstance(ours, kind)), "other")
        metrics.ERRORS.labels(kind).inc()
        raise ours from error
    except (OSError, TimeoutError) as error:
        metrics.ERRORS.labels("unavailable").inc()
        raise StorageUnavailable(silent) from error
