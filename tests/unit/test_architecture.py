"""The shape of the repository: the law of layers, a small root, modules of readable size, a reason beside every exception."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "llm_observatory"
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

ROOT_ENTRIES = 25
MODULE_LINES = 400

MODULES = sorted(path for path in SOURCE.rglob("*.py") if "api" not in path.relative_to(SOURCE).parts)


def _lint(config: Path) -> subprocess.CompletedProcess[str]:
    script = "import sys; from importlinter import cli; sys.exit(cli.lint_imports(sys.argv[1], no_cache=True))"
    return subprocess.run([sys.executable, "-c", script, str(config)], capture_output=True, text=True, cwd=ROOT, check=False)


def test_imports_obey_the_law_of_layers() -> None:
    ran = _lint(ROOT / "pyproject.toml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_each_law_can_be_broken(tmp_path: Path) -> None:
    broken = PYPROJECT
    for right, wrong in (
        ('"pipeline",\n    "storage",', '"storage",\n    "pipeline",'),
        ('forbidden_modules = ["psycopg", ', 'forbidden_modules = ["structlog", '),
        ('forbidden_modules = ["grpc", ', 'forbidden_modules = ["psycopg", '),
    ):
        assert right in broken
        broken = broken.replace(right, wrong)
    config = tmp_path / "pyproject.toml"
    config.write_text(broken, encoding="utf-8")
    ran = _lint(config)
    assert ran.returncode == 1
    assert "0 kept, 3 broken" in ran.stdout


def test_every_module_is_under_each_law() -> None:
    rooms = {f"llm_observatory.{path.stem}" for path in SOURCE.iterdir() if path.suffix in {"", ".py"} and path.stem[0] != "_"}
    contracts = {contract["id"]: contract for contract in tomllib.loads(PYPROJECT)["tool"]["importlinter"]["contracts"]}
    rooms.discard("llm_observatory.py")
    assert rooms - set(contracts["psycopg"]["source_modules"]) == {"llm_observatory.storage"}
    assert rooms - set(contracts["grpc"]["source_modules"]) == {
        f"llm_observatory.{room}" for room in ("otlp", "query", "app", "api")
    }


def test_the_root_stays_small() -> None:
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    entries = {line.split("/", 1)[0] for line in listed.stdout.splitlines()}
    assert len(entries) <= ROOT_ENTRIES, sorted(entries)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_has_a_docstring_and_a_readable_size(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith(('"""', 'r"""')), "the module says what it is for"
    assert text.count("\n") <= MODULE_LINES


def test_every_ignored_rule_has_its_reason() -> None:
    lint = PYPROJECT.partition("[tool.ruff.lint]")[2].partition("[tool.ruff.lint.pydocstyle]")[0]
    rules = [line for line in lint.splitlines() if re.match(r'\s+"[A-Z]+\d*"', line)]
    assert len(rules) > 20
    assert [line for line in rules if "#" not in line] == []


def test_every_exception_from_warnings_as_errors_has_its_reason() -> None:
    block = PYPROJECT.partition("filterwarnings = [")[2].partition("\n]")[0].strip().splitlines()
    assert block[0].strip() == '"error",'
    assert [line for line in block[1:] if "#" not in line] == []
