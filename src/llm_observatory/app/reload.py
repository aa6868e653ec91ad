"""SIGHUP: read the settings again and apply what can change in a running process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import structlog

from llm_observatory import settings as reading
from llm_observatory.app import log as logging_setup
from llm_observatory.errors import ConfigError
from llm_observatory.settings import LIVE, Settings

log = structlog.get_logger(__name__)


class Reloadable(Protocol):
    """Follows new settings."""

    def reload(self, settings: Settings) -> None:
        """Take `settings` from now on."""


class Reload:
    """Holds the settings in force. A faulty file changes nothing; what takes a restart is named and left as it was."""

    def __init__(self, settings: Settings, *parts: Reloadable, load: Callable[[], Settings] = reading.load) -> None:
        self.settings = settings
        self._parts = [*parts]
        self._load = load

    def follow(self, part: Reloadable) -> None:
        """Let `part` hear of changes too."""
        self._parts.append(part)

    def now(self) -> None:
        """Read and apply."""
        try:
            new = self._load()
        except ConfigError as error:
            log.error("settings are faulty, nothing was changed", faults=error.faults)  # noqa: TRY400 - no traceback
            return
        changed = [name for name in Settings.model_fields if getattr(new, name) != getattr(self.settings, name)]
        live = {name: getattr(new, name) for name in changed if name in LIVE}
        self.settings = self.settings.model_copy(update=live)
        logging_setup.set_level(self.settings.log_level)
        for part in self._parts:
            part.reload(self.settings)
        log.info(
            "settings read again",
            applied=sorted(name.upper() for name in live),
            after_restart=sorted(name.upper() for name in changed if name not in LIVE),
        )
