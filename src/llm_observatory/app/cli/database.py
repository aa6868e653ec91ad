"""How a command that runs and ends reaches the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llm_observatory.app.signals import unwinding
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
def reach(settings: Settings, progress: Callable[[str], None], *, create: bool = False) -> Iterator[Target]:
    """As `running`, but an embedded server that does not run is started for as long as the block runs.

    SIGTERM ends the block as Ctrl-C does. `create` makes a server where there is none. Otherwise that is an error: a cron job
    that lost its settings would back up nothing, and say that all is well.
    """
    with unwinding():
        if not settings.embedded:
            yield target(settings)
        elif (conninfo := running_conninfo(data_dir(settings))) is not None:
            yield target(settings, conninfo)
        else:
            with _started(settings, progress, create=create) as conninfo:
                yield target(settings, conninfo)


@contextmanager
def _started(settings: Settings, progress: Callable[[str], None], *, create: bool) -> Iterator[str]:
    server = EmbeddedServer(data_dir(settings), settings.db_name)
    if not create and not server.exists():
        raise EmbeddedServerError(
            f"neither DATABASE_URL nor DB_HOST is set, and there is no embedded PostgreSQL in {data_dir(settings)}:"
            " name the database, or begin one here with `llm-observatory serve` (or `migrate up`)"
        )
    try:
        yield server.start(progress)
    finally:
        server.stop()
