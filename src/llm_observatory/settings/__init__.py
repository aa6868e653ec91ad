"""All settings: name, type, unit, default, limit. Read once: environment, then `.env`, then the YAML of CONFIG_FILE.

Names are the environment's; in YAML the same names, in any letter case. A value means the same in all three places: YAML's
own types are not used. A blank value is as good as none. Unknown names in the YAML file, and unknown names under our
prefixes in the environment and `.env`, are faults; other names that are nearly ours are pointed out. All faults are reported
at once (ConfigError); secrets are in none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from llm_observatory.errors import ConfigError
from llm_observatory.settings.collector import COLLECTOR_OPTIONS
from llm_observatory.settings.conflicts import conflicts
from llm_observatory.settings.declared import LIVE, MASK, SECRETS, SHARED_PORT_AGE, Settings, masked, shown
from llm_observatory.settings.kinds import BEARER_TOKEN
from llm_observatory.settings.places import OUR_PREFIXES, from_env_file, from_environment, from_yaml

__all__ = [
    "BEARER_TOKEN", "COLLECTOR_OPTIONS", "LIVE", "MASK", "OUR_PREFIXES", "SECRETS", "SHARED_PORT_AGE", "Loaded", "Settings",
    "load", "masked", "read", "shown",
]  # fmt: skip

_DB_PARTS = ("db_host", "db_port", "db_name", "db_user", "db_password", "db_ssl_mode")


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and where each that is not the default came from: `environment`, a file's name."""

    settings: Settings
    origins: Mapping[str, str] = field(default_factory=dict)
    near_misses: tuple[str, ...] = ()
    """Names that are none of ours and look as if they should be, a sentence each."""

    def _openings(self) -> Iterator[str]:
        if self.settings.listen_host in ("127.0.0.1", "::1", "localhost"):
            return
        if self.settings.tokens_file is None:
            yield "LISTEN_HOST lets other machines in and TOKENS_FILE is not set: whoever reaches the ports may send and ask"
        elif self.settings.tls_cert_file is None:
            yield "TOKENS_FILE without TLS_CERT_FILE: tokens cross the network in the clear"

    def notices(self) -> Iterator[str]:
        """What is allowed and probably not meant."""
        yield from self.near_misses
        yield from self._openings()
        given = [name.upper() for name in self.origins if name in _DB_PARTS]
        if given and self.settings.database_url is not None:
            yield f"DATABASE_URL is set: {', '.join(given)} not used"
        elif given and self.settings.embedded and given != ["DB_NAME"]:
            yield f"{', '.join(given)} set, but neither DB_HOST nor DATABASE_URL: the embedded PostgreSQL is used"


def load(environ: Mapping[str, str] | None = None, env_file: Path = Path(".env")) -> Settings:
    """The settings in force. Raises ConfigError with one line a fault; secrets are never in it."""
    return read(environ, env_file).settings


def read(environ: Mapping[str, str] | None = None, env_file: Path = Path(".env")) -> Loaded:
    """As `load`, with where each value came from."""
    environ = os.environ if environ is None else environ
    environment = from_environment(environ, "environment")
    file, config_file = from_env_file(env_file)
    document = from_yaml((environ.get("CONFIG_FILE") or config_file or "").strip())
    values: dict[str, str] = {}
    origins: dict[str, str] = {}
    faults: list[str] = []
    doubtful: set[str] = set()
    for source in (document, file, environment):
        values |= source.values
        origins |= dict.fromkeys(source.values, source.origin)
        faults += source.faults
        doubtful |= source.meant
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        faults += _faults(error, values, origins)
        doubtful |= {str(fault["loc"][0]) for fault in error.errors()}
        settings = Settings.model_validate({name: value for name, value in values.items() if name not in doubtful})
    # Between settings one of which is not known, nothing can be said.
    faults += [conflict.message for conflict in conflicts(settings) if doubtful.isdisjoint(conflict.names)]
    if faults:
        raise ConfigError(faults)
    return Loaded(settings, origins, (*environment.near_misses, *file.near_misses))


def _faults(error: ValidationError, values: Mapping[str, str], origins: Mapping[str, str]) -> Iterator[str]:
    for fault in error.errors():
        name = str(fault["loc"][0])
        value = "the value" if name in SECRETS else repr(values.get(name, fault["input"]))
        message = fault["msg"].removeprefix("Value error, ")
        message = message.removeprefix("Input ")
        yield f"{origins.get(name, 'default')}: {name.upper()}: {value} {message}"
