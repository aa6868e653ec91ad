"""How a command that runs and ends reaches the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llm_observatory.errors import EmbeddedServerError
from llm_observatory.settings import Settings
from llm_observatory.storage.embedded import EmbeddedServer, running_conninfo
from llm_observatory.storage.target import Target, data_dir, target


def running(settings: Settings) -> Target:
    """The configured database, or the embedded one if it runs. Raises ConfigError, EmbeddedServerError."""
    if not settings.embedded:
        return target(settings)
    folder = data_dir(settings)
    conninfo = running_conninfo(folder)
    if conninfo is None:
        raise EmbeddedServerError(
            f"the embedded PostgreSQL in {folder} is not running; start it with `llm-observatory serve` (or `make run`)"
        )
    return target(settings, conninfo)


@contextmanager
def reach(settings: Settings, progress: Callable[[str], None]) -> Iterator[Target]:
    """As `running`, but an embedded server that does not run is started for as long as the block runs."""
    if not settings.embedded:
        yield target(settings)
        return
    conninfo = running_conninfo(data_dir(settings))
    if conninfo is not None:
        yield target(settings, conninfo)
        return
    server = EmbeddedServer(data_dir(settings), settings.db_name)
    try:
        yield target(settings, server.start(progress))
    finally:
        server.stop()
