"""All settings: name, type, unit, default, limit. Read once: environment, then `.env`, then the YAML of CONFIG_FILE.

Names are the environment's; in YAML the same names, in any letter case. A value means the same in all three places: YAML's
own types are not used. A blank value is as good as none. Unknown names in the YAML file, and unknown names under our
prefixes in the environment and `.env`, are faults. All faults are reported at once (ConfigError); secrets are in none.
"""

from __future__ import annotations

import difflib
import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from dotenv.parser import parse_stream
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator

from llm_observatory.errors import ConfigError
from llm_observatory.quantity import parse_duration, parse_size, show_duration, show_size

OUR_PREFIXES = (
    "ACCEPT_", "DB_", "INGEST_", "LEDGER_", "LLM_OBSERVATORY_", "OBSERVATORY_", "OTLP_", "REDIS_", "HEALTH_CHECK_",
)  # fmt: skip
"""Environment names that begin so are ours: a typing error in one is reported, not ignored."""

SECRETS = frozenset({"database_url", "db_read_url", "db_direct_url", "db_password", "redis_url"})
"""Settings whose value is never shown. A test holds this against the types."""

LIVE = frozenset({
    "accept_max_age", "accept_max_ahead", "chunk_interval", "compress_after", "content_retention", "ledger_retention",
    "log_level", "retention",
})  # fmt: skip
"""What SIGHUP changes in a running process; the rest takes a restart."""

MASK = "********"

# Kubernetes puts REDIS_PORT_6379_TCP_ADDR and the like into every pod, for a Service that happens to be called redis.
_SERVICE_LINK = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$")


def _parse_age(value: object) -> timedelta | None:
    return None if value is None or str(value).lower() == "off" else parse_duration(value)


def _begins_with(*schemes: str) -> Callable[[SecretStr], SecretStr]:
    def check(value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(schemes):
            raise ValueError(f"must begin with {' or '.join(schemes)}")
        return value

    return check


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Duration = Annotated[timedelta, BeforeValidator(parse_duration), Field(le=timedelta(days=36_500))]
Age = Annotated[timedelta | None, BeforeValidator(_parse_age)]
Size = Annotated[int, BeforeValidator(parse_size)]
PostgresUrl = Annotated[SecretStr, AfterValidator(_begins_with("postgresql://", "postgres://"))]
RedisUrl = Annotated[SecretStr, AfterValidator(_begins_with("redis://", "rediss://", "unix://"))]
Port = Annotated[int, Field(ge=0, le=65535)]

SslMode = Annotated[Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"], BeforeValidator(_lower)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)]
Codec = Annotated[Literal["auto", "native", "reference"], BeforeValidator(_lower)]
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


class Settings(BaseModel):
    """The settings in force. Field names are the environment's names in lower case."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    database_url: PostgresUrl | None = Field(
        None, description="PostgreSQL to use; without it and DB_HOST the embedded one runs"
    )
    db_read_url: PostgresUrl | None = Field(None, description="where queries go; as DATABASE_URL by default")
    db_direct_url: PostgresUrl | None = Field(None, description="past a transaction pooler, for session locks and migrations")
    db_host: str | None = Field(None, description="host or socket directory, when DATABASE_URL is not set")
    db_port: int = Field(5432, ge=1, le=65535, description="with DB_HOST")
    db_name: str = Field("llm_observatory", description="with DB_HOST, and the embedded database's name")
    db_user: str = Field("postgres", description="with DB_HOST")
    db_password: SecretStr | None = Field(None, description="with DB_HOST")
    db_ssl_mode: SslMode = Field("prefer", description="with DB_HOST; libpq's sslmode")
    db_app_name: str = Field("llm-observatory-storage", description="application_name of every connection")

    db_pool_max_connections: int = Field(20, ge=1, le=1000, description="read pool")
    db_pool_min_connections: int = Field(5, ge=0, le=1000, description="read pool")
    db_pool_connect_timeout: Duration = Field(10 * SECOND, ge=0.1 * SECOND, le=300 * SECOND, description="to get a connection")
    db_pool_idle_timeout: Duration = Field(
        300 * SECOND, ge=SECOND, description="an idle connection above the minimum is closed"
    )
    db_pool_max_lifetime: Duration = Field(1800 * SECOND, ge=SECOND, description="a connection is replaced after")
    db_retry_max_attempts: int = Field(3, ge=1, le=100, description="tries of one write after transient errors")
    db_retry_initial_delay_ms: int = Field(100, ge=1, le=60_000, description="before the second try")
    db_retry_max_delay_ms: int = Field(5000, ge=1, le=600_000, description="the longest wait between tries")
    db_retry_backoff_multiplier: float = Field(2.0, ge=1.0, le=10.0, description="growth of the wait")

    redis_url: RedisUrl | None = Field(None, description="optional query cache; off without it")
    redis_pool_size: int = Field(50, ge=1, le=10_000, description="connections to Redis")
    redis_timeout_secs: float = Field(5.0, gt=0, le=60, description="for one Redis command")

    chunk_interval: Duration = Field(DAY, ge=3600 * SECOND, description="time span of one partition or chunk")
    compress_after: Duration = Field(7 * DAY, ge=3600 * SECOND, description="age at which TimescaleDB compresses a chunk")
    retention: Duration = Field(90 * DAY, ge=7200 * SECOND, description="facts older than this are dropped by whole partitions")
    content_retention: Duration = Field(90 * DAY, ge=3600 * SECOND, description="the same for prompts and completions")
    copy_direct_compress: bool = Field(default=False, description="TimescaleDB 2.28.1+: COPY into compressed chunks")
    ledger_retention: Duration = Field(21_600 * SECOND, ge=60 * SECOND, description="how long a retried request is recognised")
    accept_max_age: Age = Field(
        None, description="older records are rejected; retention - one chunk by default, off allows all"
    )
    accept_max_ahead: Duration = Field(DAY, description="records further in the future are rejected")

    listen_host: str = Field("127.0.0.1", description="address of every port")
    otlp_grpc_port: Port = Field(4317, description="OTLP over gRPC")
    otlp_http_port: Port = Field(4318, description="OTLP over HTTP")
    query_port: Port = Field(8080, description="gRPC query service")
    health_check_port: Port = Field(9090, description="health and metrics over HTTP")
    read_slots: int = Field(4, ge=1, le=64, description="request bodies read at the same time")
    max_items_per_request: int = Field(200_000, ge=1, le=10_000_000, description="records in one request")
    otlp_max_request_bytes: Size = Field(64 * 1024**2, ge=1024, le=1024**3, description="one request after decompression")
    batch_size: int = Field(10_000, ge=1, le=1_000_000, description="rows one transaction collects before it is sent")
    flush_interval_ms: int = Field(0, ge=0, le=1000, description="linger before a commit; 0 commits at once")
    insert_max_fields: int = Field(
        60, ge=0, le=10_000, description="up to so many fields (rows x columns) of a table go by INSERT, not COPY"
    )
    ingest_committers: int = Field(2, ge=1, le=16, description="connections that commit, a lane")
    ingest_max_inflight_bytes: Size = Field(64 * 1024**2, ge=1024**2, description="admitted and not yet committed")

    shutdown_grace: Duration = Field(20 * SECOND, ge=2 * SECOND, le=600 * SECOND, description="from SIGTERM to exit")
    log_level: LogLevel = Field("info", description="lowest level written")
    metrics_enabled: bool = Field(default=True, description="serve /metrics")
    observatory_codec: Codec = Field("auto", description="native if built, else reference")
    llm_observatory_data_dir: Path | None = Field(None, description="folder of the embedded PostgreSQL; the user's data folder")

    @property
    def embedded(self) -> bool:
        """Whether the embedded PostgreSQL is used."""
        return self.database_url is None and self.db_host is None

    @model_validator(mode="before")
    @classmethod
    def _default_accept_max_age(cls, values: dict[str, Any]) -> dict[str, Any]:
        if "accept_max_age" not in values:
            try:
                age = parse_duration(values.get("retention", 90 * DAY)) - parse_duration(values.get("chunk_interval", DAY))
            except ValueError:
                return values  # the faulty field itself is reported
            values = {**values, "accept_max_age": max(age, timedelta(hours=1))}
        return values

    def conflicts(self) -> Iterator[str]:
        """What is wrong between settings that are each right by themselves, one line each."""
        if self.db_pool_min_connections > self.db_pool_max_connections:
            yield "DB_POOL_MIN_CONNECTIONS is above DB_POOL_MAX_CONNECTIONS"
        if self.db_retry_initial_delay_ms > self.db_retry_max_delay_ms:
            yield "DB_RETRY_INITIAL_DELAY_MS is above DB_RETRY_MAX_DELAY_MS"
        if DAY % self.chunk_interval and self.chunk_interval % DAY:
            yield "CHUNK_INTERVAL must divide a day or be whole days"
        if self.retention < 2 * self.chunk_interval:
            yield "RETENTION must be at least two CHUNK_INTERVALs"
        if self.accept_max_age is not None and self.accept_max_age > self.retention:
            yield "ACCEPT_MAX_AGE is beyond RETENTION: what it lets in would be dropped at once"
        if self.embedded and (self.db_read_url or self.db_direct_url):
            yield "DB_READ_URL and DB_DIRECT_URL need DATABASE_URL or DB_HOST"
        ports: dict[int, str] = {}
        for name in ("otlp_grpc_port", "otlp_http_port", "query_port", "health_check_port"):
            port = getattr(self, name)
            if port and port in ports:
                yield f"{name.upper()} and {ports[port]} are both {port}"
            ports[port] = name.upper()


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and where each that is not the default came from: `environment`, a file's name."""

    settings: Settings
    origins: Mapping[str, str] = field(default_factory=dict)

    def notices(self) -> Iterator[str]:
        """What is allowed and probably not meant."""
        given = [name.upper() for name in self.origins if name in _DB_PARTS]
        if given and self.settings.database_url is not None:
            yield f"DATABASE_URL is set: {', '.join(given)} not used"
        elif given and self.settings.embedded and given != ["DB_NAME"]:
            yield f"{', '.join(given)} set, but neither DB_HOST nor DATABASE_URL: the embedded PostgreSQL is used"


_DB_PARTS = ("db_host", "db_port", "db_name", "db_user", "db_password", "db_ssl_mode")


class _Source:
    """The values of one place under lower-case names, and its faults."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.values: dict[str, str] = {}
        self.faults: list[str] = []

    def fault(self, message: str) -> None:
        self.faults.append(f"{self.origin}: {message}")

    def unknown(self, name: str) -> None:
        close = difflib.get_close_matches(name.lower(), Settings.model_fields, n=1, cutoff=0.8)
        self.fault(f"unknown setting {name}" + (f"; did you mean {close[0].upper()}?" if close else ""))

    def take(self, key: str, value: str | None) -> None:
        # A password may begin or end with a space, but not with the newline that files of secrets end with.
        text = (value or "").strip("\r\n") if key in SECRETS else (value or "").strip()
        if text.strip():
            self.values[key] = text


def _is_service_link(name: str, value: str) -> bool:
    return bool(_SERVICE_LINK.search(name)) or (name.endswith("_PORT") and value.startswith(("tcp://", "udp://", "sctp://")))


def _from_environment(names: Mapping[str, str | None], origin: str) -> _Source:
    source = _Source(origin)
    for name, value in names.items():
        key = name.lower()
        if key in Settings.model_fields and name == name.upper():
            source.take(key, value)
        elif name.upper().startswith(OUR_PREFIXES) and not _is_service_link(name, value or ""):
            source.unknown(name)
    return source


def _from_env_file(path: Path) -> tuple[_Source, str | None]:
    """The settings in `.env`, and its CONFIG_FILE. Values are taken as written: `$` has no meaning."""
    source = _Source(str(path))
    if not path.exists():
        return source, None
    text = _read(path, source)
    names: dict[str, str | None] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            source.fault(f"line {binding.original.line} is not NAME=value")
        elif binding.key is not None and binding.key in names:
            source.fault(f"line {binding.original.line} sets {binding.key} a second time")
        elif binding.key is not None:
            names[binding.key] = binding.value
    settings = _from_environment(names, str(path))
    settings.faults = [*source.faults, *settings.faults]
    return settings, names.get("CONFIG_FILE")


def _from_yaml(path: str | None) -> _Source:
    source = _Source(path or "")
    if not path:
        return source
    try:
        root = yaml.compose(_read(Path(path), source, missing="CONFIG_FILE names a file that does not exist"), yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        # Not the error's own text: it quotes the line, which may hold a password.
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        source.fault(f"{line}not YAML: {error.problem or error.context}")
        return source
    except yaml.YAMLError as error:
        source.fault(f"not YAML: {type(error).__name__}")
        return source
    if isinstance(root, yaml.MappingNode):
        for key, value in root.value:
            _take_node(source, key, value)
    elif root is not None and root.tag != "tag:yaml.org,2002:null":
        source.fault("must be a mapping of setting names to values")
    return source


def _take_node(source: _Source, key: yaml.Node, value: yaml.Node) -> None:
    name = str(key.value) if isinstance(key, yaml.ScalarNode) else "(a key that is not a name)"
    lower, line = name.lower(), key.start_mark.line + 1
    if lower not in Settings.model_fields:
        if isinstance(value, yaml.MappingNode):
            source.fault(f"line {line}: {name} is a group; settings are flat, for example DB_HOST: localhost")
        else:
            source.unknown(name)
    elif not isinstance(value, yaml.ScalarNode):
        source.fault(f"line {line}: {name.upper()} must be one value")
    elif lower in source.values:
        source.fault(f"line {line}: {name.upper()} is set a second time")
    else:
        source.take(lower, None if value.tag == "tag:yaml.org,2002:null" else value.value)


def _read(path: Path, source: _Source, missing: str = "does not exist") -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        source.fault(missing)
    except OSError as error:
        source.fault(f"cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        source.fault("is not UTF-8 text")
    return ""


def _faults(error: ValidationError, values: Mapping[str, str], origins: Mapping[str, str]) -> Iterator[str]:
    for fault in error.errors():
        name = str(fault["loc"][0])
        value = "the value" if name in SECRETS else repr(values.get(name, fault["input"]))
        message = fault["msg"].removeprefix("Value error, ")
        message = message.removeprefix("Input ")
        yield f"{origins.get(name, 'default')}: {name.upper()}: {value} {message}"


def load(environ: Mapping[str, str] | None = None, env_file: Path = Path(".env")) -> Settings:
    """The settings in force. Raises ConfigError with one line a fault; secrets are never in it."""
    return read(environ, env_file).settings


def read(environ: Mapping[str, str] | None = None, env_file: Path = Path(".env")) -> Loaded:
    """As `load`, with where each value came from."""
    environ = os.environ if environ is None else environ
    from_environment = _from_environment(environ, "environment")
    from_env_file, config_file = _from_env_file(env_file)
    from_yaml = _from_yaml((environ.get("CONFIG_FILE") or config_file or "").strip())
    values: dict[str, str] = {}
    origins: dict[str, str] = {}
    faults: list[str] = []
    for source in (from_yaml, from_env_file, from_environment):
        values |= source.values
        origins |= dict.fromkeys(source.values, source.origin)
        faults += source.faults
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigError([*faults, *_faults(error, values, origins)]) from None
    faults += settings.conflicts()
    if faults:
        raise ConfigError(faults)
    return Loaded(settings, origins)


def shown(settings: Settings, name: str) -> str:
    """The value of one setting as it would be written; a secret is masked, blank is none."""
    value = getattr(settings, name)
    if name == "accept_max_age" and value is None:
        return "off"
    if value is None:
        return ""
    if name in SECRETS:
        return MASK
    if isinstance(value, timedelta):
        return show_duration(value)
    if isinstance(value, bool):
        return str(value).lower()
    return show_size(value) if name.endswith("_bytes") else str(value)


def masked(settings: Settings) -> dict[str, str]:
    """Every setting as text under its environment name, secrets masked, for `check` and the log."""
    return {name.upper(): shown(settings, name) for name in Settings.model_fields}
