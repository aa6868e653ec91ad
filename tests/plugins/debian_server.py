"""PostgreSQL servers of Debian's programs in a folder, run by an account that PostgreSQL takes."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from tests.plugins import programs


def account() -> dict[str, int]:
    """Of subprocess: who runs it, where that may not be us."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid}


@dataclass
class Servers:
    """The data folders below `root`, which is the account's."""

    root: Path
    identity: Mapping[str, int] = field(default_factory=account)

    def run(self, *command: str | Path) -> str:
        """Run a program as the account; what it said."""
        ran = subprocess.run(
            command, env=programs.environment(), cwd=self.root, capture_output=True, text=True, check=False, timeout=90,
            umask=0o077, **self.identity,  # type: ignore[call-overload]  # mypy cannot see into the mapping
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return str(ran.stdout)

    def start(self, folder: str) -> None:
        """A server on one of our data folders; its output goes to a file, for it outlives pg_ctl."""
        log = self.root / "log" / f"{folder}.log"
        try:
            self.run(programs.program("pg_ctl"), "-D", self.root / folder, "-l", log, "-w", "start")
        except AssertionError:
            pytest.fail(f"PostgreSQL does not start:\n{log.read_text()[-4000:]}")

    def stop(self, folder: str, mode: Literal["fast", "immediate"] = "fast") -> None:
        """End it, if it runs; `immediate` where nobody wants its data any more."""
        if (self.root / folder / "postmaster.pid").exists():
            self.run(programs.program("pg_ctl"), "-D", self.root / folder, "-m", mode, "-w", "stop")
