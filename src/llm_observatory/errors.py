"""Every error the service raises on purpose, and what a client is told.

ObservatoryError
├── ConfigError              a setting is wrong; the process does not start
├── AccessDenied             the call shows no token, or one that does not allow it
│   ├── Unauthenticated      UNAUTHENTICATED, never retried
│   └── PermissionDenied     PERMISSION_DENIED, never retried
├── IngestError              what a caller of the receiver gets to hear
│   ├── InvalidPayload       INVALID_ARGUMENT, never retried
│   ├── RequestTooLarge      RESOURCE_EXHAUSTED without RetryInfo, never retried
│   └── Overloaded           UNAVAILABLE + RetryInfo
│       ├── ShuttingDown     UNAVAILABLE + RetryInfo
│       └── UnderMaintenance UNAVAILABLE + RetryInfo; the message is the operator's reason
├── QueryError               what a caller of the query service gets to hear
│   ├── InvalidQuery         INVALID_ARGUMENT, with the field
│   ├── NotFound             NOT_FOUND
│   └── TooMuch              RESOURCE_EXHAUSTED; the message names the limit
└── StorageError
    ├── StorageUnavailable   UNAVAILABLE + RetryInfo; a later try may succeed
    │   └── SchemaMismatch   the same for the client; readiness goes off, an operator is needed
    ├── DataRejected         PostgreSQL refused the values; INTERNAL if it ever reaches a client
    ├── MissingPartition     no partition holds the row (23514); made and tried again
    └── EmbeddedServerError  the embedded PostgreSQL cannot be run; the message says the way out

Of verbs that end, each beside what raises it: MigrationFailed, MoveFailed, BackupFailed, RestoreRefused, Refused.

`grpc_code` is the name of a `grpc.StatusCode`, kept as text because only rooms that serve import grpc.
Messages of errors with a `grpc_code` may reach clients: they name no table, host, or SQL.
"""

from __future__ import annotations

from typing import ClassVar, Self

LOCK_NOT_AVAILABLE = "55P03"
"""SQLSTATE: lock_timeout was over."""

RETRY_AFTER_SECONDS = 1.0
"""Hint for clients that were held before they were refused. Python, Java and JS clients have about 10 s in all."""


class ObservatoryError(Exception):
    """Base of every error raised on purpose."""

    grpc_code: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False

    def bare(self) -> Self:
        """Itself without traceback, cause and context.

        Their frames hold payloads, and whoever keeps or raises the error again makes a cycle of them: refused requests
        of 60 MiB then stayed until the next full collection, a gigabyte after a hundred.
        """
        self.__cause__ = self.__context__ = None
        return self.with_traceback(None)


class ConfigError(ObservatoryError):
    """One or more settings are wrong. `faults` holds one readable line each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class AccessDenied(ObservatoryError):
    """A call that is not allowed, whatever is in it."""


class Unauthenticated(AccessDenied):
    """It shows no token, or one that nobody knows (RFC 6750, 3.1: invalid_token)."""

    grpc_code = "UNAUTHENTICATED"


class PermissionDenied(AccessDenied):
    """Its token is known and does not allow this (RFC 6750, 3.1: insufficient_scope)."""

    grpc_code = "PERMISSION_DENIED"


class IngestError(ObservatoryError):
    """A request that is answered with an error status."""


class InvalidPayload(IngestError):
    """The body is not an OTLP export request."""

    grpc_code = "INVALID_ARGUMENT"


class RequestTooLarge(IngestError):
    """The request is beyond a limit; the message names the limit and the setting."""

    grpc_code = "RESOURCE_EXHAUSTED"


class Overloaded(IngestError):
    """No room now. The client should come back after `retry_after` seconds."""

    grpc_code = "UNAVAILABLE"
    retryable = True

    def __init__(self, message: str = "the service is at capacity", retry_after: float = RETRY_AFTER_SECONDS) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ShuttingDown(Overloaded):
    """The process is draining."""

    def __init__(self, message: str = "the service is shutting down") -> None:
        super().__init__(message)


class UnderMaintenance(Overloaded):
    """An operator had records refused, for `reason`.

    The hint is that of every refusal: a Collector backs off by itself, and an SDK, which has ten seconds in all, gets as many
    tries as it can have.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the service takes no records during maintenance: {reason}")


class QueryError(ObservatoryError):
    """A query that is answered with an error status."""


class InvalidQuery(QueryError):
    """`field` of the request is wrong, by its path in the message, as `time_range.end_time_unix_nano`."""

    grpc_code = "INVALID_ARGUMENT"

    def __init__(self, field: str, fault: str) -> None:
        super().__init__(f"{field}: {fault}")
        self.field = field


class NotFound(QueryError):
    """There is nothing of that id or name."""

    grpc_code = "NOT_FOUND"


class TooMuch(QueryError):
    """The answer would break a limit; the message names it and what to ask for instead."""

    grpc_code = "RESOURCE_EXHAUSTED"


class StorageError(ObservatoryError):
    """PostgreSQL did not do what was asked. `sqlstate` is its code, None where no server answered."""

    def __init__(self, message: str = "storage failed", sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class StorageUnavailable(StorageError):
    """The database cannot be reached or is busy; a later try may succeed."""

    grpc_code = "UNAVAILABLE"
    retryable = True
    retry_after = RETRY_AFTER_SECONDS


class SchemaMismatch(StorageUnavailable):
    """The database refuses our statements or our login (SQLSTATEs: `storage/translate.py`). Only an operator can mend it."""


class DataRejected(StorageError):
    """PostgreSQL refused the values of at least one record (SQLSTATEs: `storage/translate.py`)."""


class MissingPartition(StorageError):
    """No partition covers a row's timestamp (SQLSTATE 23514 with no constraint name)."""


class EmbeddedServerError(StorageError):
    """The embedded PostgreSQL cannot be started or adopted. The message says what to do."""
