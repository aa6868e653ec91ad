"""How `doctor` finds the database."""

from __future__ import annotations

import asyncio

from llm_observatory.app.cli.database import running
from llm_observatory.errors import EmbeddedServerError
from llm_observatory.operate.doctor import Report, examine
from llm_observatory.settings import Settings
from llm_observatory.storage.target import data_dir


def examined(settings: Settings) -> Report:
    """The report. An embedded server that does not run is not started: that is what is to be seen. Raises ConfigError."""
    folder = data_dir(settings) if settings.embedded else None
    try:
        url = running(settings).direct
    except EmbeddedServerError as error:
        return asyncio.run(examine(settings, None, why_not=str(error), data_directory=folder))
    return asyncio.run(examine(settings, url, data_directory=folder))
