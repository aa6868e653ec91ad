"""Where migrations are found, and what they are called."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import llm_observatory
from llm_observatory.storage import migrate
from llm_observatory.storage.dbmate import MigrationFailed


def test_an_installed_package_carries_its_migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "lib" / "llm_observatory"
    package.mkdir(parents=True)
    monkeypatch.setattr(llm_observatory, "__file__", str(package / "__init__.py"))
    with pytest.raises(MigrationFailed, match="install the package again"):
        migrate.root()
    (package / "migrations").mkdir()
    assert migrate.root() == package / "migrations"


def test_a_source_tree_has_them_at_its_root(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (migrate.root() / "001_create_tables.sql").is_file()


def test_versions_are_unique_on_every_engine_and_every_file_goes_both_ways() -> None:
    for engine in (folder for folder in migrate.root().iterdir() if folder.is_dir()):
        files = [*migrate.root().glob("*.sql"), *engine.glob("*.sql")]
        versions = [file.name.split("_")[0] for file in files]
        assert sorted(versions) == [f"{number:03}" for number in range(1, len(files) + 1)]
        for file in files:
            up, down = file.read_text().split("-- migrate:down")
            assert "-- migrate:up" in up
            assert re.search(r"\w", down), file


def test_engine_folders_hold_no_column_list() -> None:
    for file in migrate.root().glob("*/*.sql"):
        for statement in re.findall(r"CREATE TABLE \w+ \((.*?)\)", file.read_text(), flags=re.DOTALL):
            assert statement.startswith("LIKE ")
            assert "," not in statement
