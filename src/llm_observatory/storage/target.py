"""Where PostgreSQL is: DATABASE_URL, or DB_* put together, as URLs that libpq, psql and dbmate understand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from llm_observatory.errors import ConfigError
from llm_observatory.settings import Settings
from llm_observatory.storage.embedded import default_data_dir


@dataclass(frozen=True, slots=True)
class Target:
    """The three ways in. `direct` leads past a transaction pooler. URLs hold the password: only `dsn` shows one."""

    write: str
    read: str
    direct: str


def target(settings: Settings, embedded: str | None = None) -> Target:
    """Where to connect; `embedded` is the URL of the embedded server when that is used. Raises ConfigError."""
    write = embedded or conninfo(settings)
    return Target(
        write=write,
        read=_given("DB_READ_URL", settings.db_read_url) or write,
        direct=_given("DB_DIRECT_URL", settings.db_direct_url) or write,
    )


def conninfo(settings: Settings) -> str:
    """The URL of the database that is written to. Raises ConfigError, also when the embedded server is used."""
    url = _given("DATABASE_URL", settings.database_url)
    if url is not None:
        return url
    if settings.db_host is None:
        raise ConfigError(["neither DATABASE_URL nor DB_HOST is set"])
    login = quote(settings.db_user, safe="")
    if settings.db_password is not None:
        login += ":" + quote(settings.db_password.get_secret_value(), safe="")
    host, port = settings.db_host, settings.db_port
    query: dict[str, str] = {"sslmode": settings.db_ssl_mode}
    # A socket's folder does not fit into the host part; of several hosts only the last would get the port there.
    if host.startswith(("/", "@")) or "," in host:
        place, query = "", {"host": host, "port": str(port), **query}
    else:
        place = f"[{host}]:{port}" if ":" in host else f"{quote(host, safe='.-_')}:{port}"
    return f"postgresql://{login}@{place}/{quote(settings.db_name, safe='')}?{urlencode(query, quote_via=quote)}"


def data_dir(settings: Settings) -> Path:
    """The folder of the embedded PostgreSQL."""
    given = settings.llm_observatory_data_dir
    return given.expanduser().absolute() if given is not None else default_data_dir()


def describe(url: str) -> str:
    """Where `url` leads, for people: `llm_observatory on db:5432 as postgres`. Never the password."""
    parts = conninfo_to_dict(url)
    host = str(parts.get("host") or parts.get("hostaddr") or "the local socket")
    ports = f":{parts['port']}" if parts.get("port") and not host.startswith(("/", "@")) else ""
    return f"{parts.get('dbname') or 'the default database'} on {host}{ports} as {parts.get('user') or 'the default user'}"


def _given(name: str, secret: SecretStr | None) -> str | None:
    if secret is None:
        return None
    url = secret.get_secret_value()
    try:
        conninfo_to_dict(url)
    except psycopg.Error:
        # Not libpq's own words: they quote the URL, password included.
        raise ConfigError(
            [f"{name}: not a URL that libpq understands; special characters in user and password must be percent-encoded"]
        ) from None
    return url
