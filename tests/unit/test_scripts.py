"""The scripts of operators: shellcheck is silent, they explain themselves, refuse what they do not know, call what exists."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import typer

from llm_observatory.app.cli import cli
from tests.plugins import programs

FOLDER = Path(__file__).parents[2] / "deploy" / "scripts"
OPTIONS = FOLDER / "options.sh"
"""Is read by the others."""
SCRIPTS = sorted(path for path in FOLDER.glob("*.sh") if path != OPTIONS)
LATER = {"doctor", "maintenance"}
"""Commands that their scripts call and that may come after them; every other one must be there."""

CALLS = {
    "backup.sh -v": ["backup physical", "backup dump"],
    "backup_to_s3.sh -b bucket -e": ["backup upload --bucket bucket --encrypt"],
    "verify_backup.sh -v": ["backup verify"],
    "verify_backup.sh a.sql.gz -v": ["backup verify a.sql.gz"],
    "restore.sh a.sql.gz": ["restore a.sql.gz --repo 1"],
    "restore.sh --drop-existing -y a.sql.gz": ["restore a.sql.gz --repo 1 --drop-existing --yes"],
    "restore.sh -s -b bucket key": ["restore key --bucket bucket --repo 1"],
    "restore.sh -t other a.sql.gz": ["restore a.sql.gz --target other --repo 1"],
    "restore.sh --latest": ["restore --latest --repo 1"],
    "restore.sh --target-time 2026-11-28T14:25:00": ["restore --target-time 2026-11-28T14:25:00 --repo 1"],
    "test_dr_restore.sh -b bucket": [
        "restore backups/latest.sql.gz --bucket bucket --target llm_observatory_dr_test --drop-existing --yes"
    ],
    "deploy_database.sh": ["backup physical", "backup dump", "migrate up", "migrate verify"],
    "deploy_database.sh --retry": ["migrate up", "migrate verify"],
    "rollback.sh --emergency": ["migrate down --yes"],
    "daily_health_check.sh": ["doctor"],
    "rollback.sh -y --emergency": ["migrate down --yes"],
    "maintenance_mode.sh --enable": ["maintenance on"],
    "maintenance_mode.sh --disable": ["maintenance off"],
    "run_benchmark.sh --output a.json": ["bench ingest --json a.json"],
    "compare_benchmarks.sh a.json b.json": ["bench compare a.json b.json"],
    "generate_performance_report.sh --period quarterly --output a.html": [
        "report --period quarterly --output a.html --runs results"
    ],
}


@pytest.fixture
def called(tmp_path: Path) -> Path:
    """What was asked of `llm-observatory`, which is a recorder on PATH, one call a line."""
    recorder = tmp_path / "llm-observatory"
    recorder.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/called\n')
    recorder.chmod(0o755)
    return tmp_path / "called"


def run(called: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    path = f"{called.parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BACKUP")}
    return subprocess.run(words, env=kept | {"PATH": path} | settings, capture_output=True, text=True, check=False, timeout=30)


def test_shellcheck() -> None:
    ran = subprocess.run(
        [programs.program("shellcheck"), "-x", *SCRIPTS, OPTIONS],
        cwd=FOLDER.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_help_and_what_is_unknown(script: Path, called: Path) -> None:
    helped = run(called, str(script), "--help")
    assert (helped.returncode, script.name in helped.stdout) == (0, True)
    assert run(called, str(script), "--unknown").returncode == 2
    assert run(called, str(script), "a", "word", "too many").returncode == 2
    assert not called.exists()


@pytest.mark.parametrize("line", CALLS)
def test_the_manual_s_uses(line: str, called: Path) -> None:
    script, *words = line.split()
    ran = run(called, str(FOLDER / script), *words)
    assert ran.returncode == 0, ran.stderr
    assert called.read_text().splitlines() == CALLS[line]


def test_a_backup_has_its_type_and_old_dumps_go(called: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dumps"
    folder.mkdir()
    for name in ("old.sql.gz", "old.sql.gz.json", ".old.sql.gz.part", "new.sql.gz", "old.txt"):
        (folder / name).touch()
        if "old" in name:
            os.utime(folder / name, (0, 0))
    script, settings = str(FOLDER / "backup.sh"), {"BACKUP_DIR": str(folder), "BACKUP_TYPE": "full"}
    assert run(called, script, **settings).returncode == 0
    assert called.read_text().splitlines() == ["backup physical --type full", "backup dump"]
    assert len(list(folder.iterdir())) == 5
    assert run(called, script, **settings, BACKUP_KEEP_DAYS="30").returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == ["new.sql.gz", "old.txt"]


@pytest.mark.parametrize("call", sorted({call for calls in CALLS.values() for call in calls}))
def test_what_is_called_exists(call: str) -> None:
    command, words = typer.main.get_command(cli), call.split()
    if words[0] in LATER and words[0] not in getattr(command, "commands", {}):
        return
    while words and words[0] in getattr(command, "commands", {}):
        command = getattr(command, "commands")[words.pop(0)]  # noqa: B009 - typer's copy of click has no public types
    options = {option for parameter in command.params for option in parameter.opts}
    assert command.name != "llm-observatory"
    assert {word for word in words if word.startswith("--")} <= options


def test_the_lifecycle_policy_is_json() -> None:
    rules = json.loads((FOLDER / "lifecycle-policy.json").read_text())["Rules"]
    assert {step["StorageClass"] for rule in rules for step in rule.get("Transitions", ())} == {"STANDARD_IA", "GLACIER_IR"}
