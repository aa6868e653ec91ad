"""The operating system account the server runs under.

PostgreSQL refuses root. As root we give the server the account that owns the data folder, else `postgres`, else `nobody`,
and drop privileges in the child; as anyone else the server runs as ourselves. No permission of a parent folder is ever
changed: where the account cannot pass, `blocking` says where.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_observatory.errors import EmbeddedServerError

# Prints the first path that is not what its flag asks. test(1) judges with the account's own rights, ACLs included.
_PROBE = 'while [ $# -gt 0 ]; do test "$1" "$2" || { printf %s "$2"; exit 3; }; shift 2; done'
_LACKS = 3


@dataclass(frozen=True)
class Account:
    """Who the server is."""

    uid: int
    gid: int
    name: str
    switched: bool
    """Whether this is another account than our own."""

    def own(self, target: Path | int) -> None:
        """Give a file or folder of ours (never through a link) to the account."""
        if not self.switched:
            return
        if isinstance(target, int):
            os.fchown(target, self.uid, self.gid)
        else:
            os.chown(target, self.uid, self.gid, follow_symlinks=False)

    def child(self) -> Mapping[str, Any]:
        """The arguments of subprocess that make a child run as the account, and let Ctrl-C and our environment pass it by."""
        identity = {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switched else {}
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
        # Not ours: PGPORT, PGDATA and the like would change what runs, and secrets in our settings are none of its business.
        return {"start_new_session": True, "umask": 0o077, "env": {**kept, "LC_ALL": "C", "TZ": "UTC"}, **identity}

    def run(self, command: Sequence[str | Path], folder: Path, said: str = "") -> subprocess.CompletedProcess[str]:
        """Run a short-lived command as the account in `folder`, `said` to its stdin, stderr joined to stdout; any status."""
        return subprocess.run(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
            input=said,
            **self.child(),
        )

    def blocking(self, needs: Sequence[tuple[str, Path]]) -> Path | None:
        """The first of (flag of test(1), path) the account does not have, None if it has all."""
        words = [word for flag, path in needs for word in (f"-{flag}", str(path))]
        result = self.run(["/bin/sh", "-c", _PROBE, "sh", *words], Path("/"))
        if result.returncode == 0:
            return None
        if result.returncode == _LACKS and result.stdout:
            return Path(result.stdout)
        raise EmbeddedServerError(f"cannot test what account {self.name} may read: {result.stdout.strip()}")


def passage(path: Path) -> list[tuple[str, Path]]:
    """What it takes to reach `path`: search permission on each of its parents."""
    return [("x", parent) for parent in reversed(path.parents)]


def name_of(uid: int) -> str:
    """The account name of `uid`, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _account(uid: int, *, switched: bool) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise EmbeddedServerError(
            f"user id {uid} has no name in the password database, and PostgreSQL demands one: add an account for it, "
            "run as another, or set DATABASE_URL to use a server that runs elsewhere"
        ) from None
    return Account(uid, entry.pw_gid, entry.pw_name, switched)


def server_account(owner: int | None) -> Account:
    """The account for a data folder of `owner` (None: it does not exist yet)."""
    if os.geteuid() != 0:
        return _account(os.geteuid(), switched=False)
    if owner:
        return _account(owner, switched=True)
    for name in ("postgres", "nobody"):
        try:
            return _account(pwd.getpwnam(name).pw_uid, switched=True)
        except KeyError:
            continue
    raise EmbeddedServerError(
        "PostgreSQL refuses to run as root and there is neither an account postgres nor nobody: "
        "run as another user, or give the data folder to the account that shall run it"
    )
