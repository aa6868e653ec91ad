"""What can be told before anything is started: settings this installation cannot follow, a data folder that cannot be used."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from llm_observatory import codec
from llm_observatory.app import access, self_telemetry
from llm_observatory.errors import ConfigError, EmbeddedServerError
from llm_observatory.settings import Settings
from llm_observatory.storage.embedded import binaries, cluster, folder
from llm_observatory.storage.embedded.folder import Layout
from llm_observatory.storage.embedded.lock import FolderLock
from llm_observatory.storage.embedded.trouble import file_trouble
from llm_observatory.storage.target import data_dir, target


def demand(settings: Settings) -> None:
    """Raise ConfigError with all that is wrong with settings that are right by themselves."""
    checks: list[Callable[[], object]] = [
        lambda: codec.select(settings.observatory_codec),
        lambda: access.certificate(settings),
        lambda: access.tokens(settings),
        lambda: self_telemetry.demand(settings),
    ]
    if not settings.embedded:
        checks.append(lambda: target(settings))
    faults: list[str] = []
    for check in checks:
        try:
            check()
        except ConfigError as error:
            faults += error.faults
    if faults:
        raise ConfigError(faults)


def claim(settings: Settings) -> None:
    """Raise EmbeddedServerError where the embedded server could not have its folder, or another process holds it.

    The folder is made if need be. It is not kept: the server takes it again when it starts, and that is what counts.
    """
    if not settings.embedded:
        return
    layout = Layout.of(data_dir(settings))
    with file_trouble(layout.root):
        account = folder.prepare(layout)
        cluster.check_version(layout, binaries.located())
        lock = FolderLock(layout.lock)
        lock.take(account)
        lock.release()


def inspect(settings: Settings) -> None:
    """As `claim`, as far as that can be told without changing anything."""
    layout = Layout.of(data_dir(settings))
    with file_trouble(layout.root):
        cluster.check_version(layout, binaries.located())
        exists = layout.root.exists()
        place = layout.root if exists else next(parent for parent in layout.root.parents if parent.exists())
        if not place.is_dir():
            raise EmbeddedServerError(f"{place} is not a folder: set LLM_OBSERVATORY_DATA_DIR to another one")
        if not os.access(place, os.R_OK | os.W_OK | os.X_OK if exists else os.W_OK | os.X_OK):
            raise EmbeddedServerError(_denied(layout.root, place))


def _denied(root: Path, place: Path) -> str:
    what = f"{root} cannot be read and written" if root == place else f"{root} cannot be made in {place}"
    return f"{what} by the account this runs as: set LLM_OBSERVATORY_DATA_DIR to another folder"
