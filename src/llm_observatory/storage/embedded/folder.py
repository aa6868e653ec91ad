"""The data folder: what lies where in it, and that it is ours before anything in it is touched.

- `serve.lock`: held by the one process that runs the server
- `server.json`: which process the server is, and how to reach it
- `cluster/`: PGDATA
- `run/`: the socket
- `log/`: server log, bounded
- `binaries/<build>/`: copy of the server for an account that cannot reach ours
- `password`: of the superuser where a socket cannot be used
- `postgresql.local.conf`: the operator's own settings, never written by us
- `pg_hba.local.conf`: the operator's own access rules, never written by us
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from llm_observatory.errors import EmbeddedServerError
from llm_observatory.storage.embedded.account import Account, name_of, passage, server_account
from llm_observatory.storage.embedded.trouble import ELSEWHERE

_OURS = {"serve.lock", "cluster"}
_HARMLESS = {"lost+found", "postgresql.local.conf", "pg_hba.local.conf"}


def default_data_dir() -> Path:
    """Where the embedded database lives unless told: the user's data folder, /var/lib/llm-observatory for root."""
    if os.geteuid() == 0:
        return Path("/var/lib/llm-observatory")
    return platformdirs.user_data_path("llm-observatory")


@dataclass(frozen=True)
class Layout:
    """The paths of one data folder. `root` is absolute and free of links."""

    root: Path

    @classmethod
    def of(cls, data_dir: Path) -> Layout:
        """The layout of a folder as it is set: `~` and links are resolved."""
        return cls(data_dir.expanduser().resolve())

    @property
    def lock(self) -> Path:
        """Held by the process that runs the server."""
        return self.root / "serve.lock"

    @property
    def record(self) -> Path:
        """Which process the server is."""
        return self.root / "server.json"

    @property
    def cluster(self) -> Path:
        """PGDATA."""
        return self.root / "cluster"

    @property
    def postmaster_pid(self) -> Path:
        """PostgreSQL's own lock file."""
        return self.cluster / "postmaster.pid"

    @property
    def run(self) -> Path:
        """The folder of the socket."""
        return self.root / "run"

    @property
    def log(self) -> Path:
        """The folder of the server log."""
        return self.root / "log"

    @property
    def binaries(self) -> Path:
        """Copies of the server, by build."""
        return self.root / "binaries"

    @property
    def password(self) -> Path:
        """Of the superuser, where a socket cannot be used."""
        return self.root / "password"

    @property
    def local_conf(self) -> Path:
        """The operator's settings."""
        return self.root / "postgresql.local.conf"

    @property
    def local_hba(self) -> Path:
        """The operator's access rules."""
        return self.root / "pg_hba.local.conf"


def prepare(layout: Layout) -> Account:
    """Make sure the data folder exists, is ours, mode 0700, and that the server's account can reach it.

    Changes the owner and the mode of that folder only, and only if it is new, empty, or bears our marks: a data folder that was
    set to /home by mistake stays as it is.
    """
    root = layout.root
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = root.stat()
    _refuse_strange_owner(root, found.st_uid)
    names = {entry.name for entry in root.iterdir()}
    if names - _HARMLESS and not names & _OURS:
        raise EmbeddedServerError(f"{root} holds other things and no database of ours: {ELSEWHERE}, one that is new or empty")
    account = server_account(found.st_uid)
    if found.st_uid != account.uid:
        account.own(root)
    if stat.S_IMODE(found.st_mode) != stat.S_IRWXU:
        root.chmod(stat.S_IRWXU)
    _refuse_strange_cluster(layout, account)
    blocking = account.blocking([*passage(root), ("x", root)])
    if blocking is not None:
        raise EmbeddedServerError(
            f"the database runs as {account.name}, who cannot pass {blocking} on the way to {root}: "
            f"{ELSEWHERE}, or let that account pass (chmod o+x {blocking})"
        )
    return account


def _refuse_strange_owner(root: Path, owner: int) -> None:
    me = os.geteuid()
    if me not in (0, owner):
        raise EmbeddedServerError(
            f"{root} belongs to {name_of(owner)} and this is {name_of(me)}: run as {name_of(owner)}, "
            f"give the folder away (chown -R {name_of(me)} {root}), or {ELSEWHERE}"
        )


def _refuse_strange_cluster(layout: Layout, account: Account) -> None:
    try:
        found = layout.cluster.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode):
        raise EmbeddedServerError(f"{layout.cluster} is not a folder (links are not followed): move it away, or {ELSEWHERE}")
    if found.st_uid != account.uid:
        raise EmbeddedServerError(
            f"{layout.cluster} belongs to {name_of(found.st_uid)}, but the database would run as {account.name}: "
            f"chown -R {account.name} {layout.root}, or {ELSEWHERE}"
        )
