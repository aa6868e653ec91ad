"""From SQLSTATE to our errors: by class, never by text."""

from __future__ import annotations

import psycopg.errors
import pytest

from llm_observatory.errors import DataRejected, MissingPartition, SchemaMismatch, StorageError, StorageUnavailable
from llm_observatory.storage.translate import translate, translated

KINDS: dict[type[StorageError], list[str]] = {
    StorageUnavailable: [
        "08006", "40001", "40P01", "53100", "53300", "55P03", "57014", "57P01", "57P02", "57P03", "25006", "25P03", "XX001",
    ],
    SchemaMismatch: ["42P01", "42501", "42703", "28000", "28P01", "3D000"],
    DataRejected: ["22P05", "22021", "23502", "23505", "54000", "XX000"],
    MissingPartition: ["23514"],
}  # fmt: skip


@pytest.mark.parametrize("kind, state", [(kind, state) for kind, states in KINDS.items() for state in states])
def test_each_sqlstate_has_its_kind(kind: type[StorageError], state: str) -> None:
    found = translate(psycopg.errors.lookup(state)())
    assert type(found) is kind
    assert found.sqlstate == state


@pytest.mark.parametrize("error", [psycopg.OperationalError("gone"), OSError("reset"), TimeoutError()])
def test_what_no_server_said_is_unavailable(error: Exception) -> None:
    with pytest.raises(StorageUnavailable), translated():
        raise error
