"""All settings: name, type, unit, default, limit. Read once: environment, then `.env`, then the YAML of CONFIG_FILE.

Names are the environment's; in YAML the same names, in any letter case. Unknown names in the YAML file, and unknown
names under our prefixes in the environment and `.env`, are faults; all faults are reported at once (ConfigError).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator

from llm_observatory.errors import ConfigError

OUR_PREFIXES = (
    "ACCEPT_", "DB_", "INGEST_", "LEDGER_", "LLM_OBSERVATORY_", "OBSERVATORY_", "OTLP_", "REDIS_", "HEALTH_CHECK_",
)  # fmt: skip
"""Environment names that begin so are ours: a typing error in one is reported, not ignored."""

_DURATION_UNITS = {"ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "day": 86400, "w": 604800}
_SIZE_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


def parse_duration(value: object) -> timedelta:
    """`90d`, `6 h`, `15min`, `30s`, `250ms`; a bare number is seconds. ValueError names what is accepted."""
    if isinstance(value, timedelta):
        return value
    match = _QUANTITY.fullmatch(str(value))
    unit = (match[2].lower() or "s") if match else ""
    if unit not in _DURATION_UNITS and unit.endswith("s"):
        unit = unit[:-1]
    if match is None or unit not in _DURATION_UNITS:
        message = f"{value!r} is not a duration; write for example 90d, 6h, 15min, 30s or 250ms"
        raise ValueError(message)
    return timedelta(seconds=float(match[1]) * _DURATION_UNITS[unit])


def parse_size(value: object) -> int:
    """`64MiB`, `1 GB`, or a number of bytes. ValueError names what is accepted."""
    match = _QUANTITY.fullmatch(str(value))
    if match is None or match[2].lower() not in _SIZE_UNITS:
        message = f"{value!r} is not a size; write for example 64MiB, 512KiB or a number of bytes"
        raise ValueError(message)
    return int(float(match[1]) * _SIZE_UNITS[match[2].lower()])


def _parse_age(value: object) -> timedelta | None:
    return None if value is None or str(value).strip().lower() == "off" else parse_duration(value)


def _postgres_url(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("postgres://", "postgresql://")):
        message = "must begin with postgresql://"
        raise ValueError(message)
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Age = Annotated[timedelta | None, BeforeValidator(_parse_age)]
Size = Annotated[int, BeforeValidator(parse_size)]
PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]
Port = Annotated[int, Field(ge=0, le=65535)]

SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
DAY = timedelta(days=1)


class Settings(BaseModel):
    """The settings in force. Field names are the environment's names in lower case."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    database_url: PostgresUrl | None = Field(None, description="PostgreSQL to use; without it and DB_HOST the embedded one runs")
    db_read_url: PostgresUrl | None = Field(None, description="where queries go; as DATABASE_URL by default")
    db_direct_url: PostgresUrl | None = Field(None, description="past a transaction pooler, for session locks and migrations")
    db_host: str | None = Field(None, description="host or socket directory, when DATABASE_URL is not set")
    db_port: Port = Field(5432, description="with DB_HOST")
    db_name: str = Field("llm_observatory", description="with DB_HOST, and the embedded database's name")
    db_user: str = Field("postgres", description="with DB_HOST")
    db_password: SecretStr | None = Field(None, description="with DB_HOST")
    db_ssl_mode: SslMode = Field("prefer", description="with DB_HOST; libpq's sslmode")
    db_app_name: str = Field("llm-observatory-storage", description="application_name of every connection")

    db_pool_max_connections: int = Field(20, ge=1, le=1000, description="read pool")
    db_pool_min_connections: int = Field(5, ge=0, le=1000, description="read pool")
    db_pool_connect_timeout: Duration = Field(timedelta(seconds=10), description="to get a connection")
    db_pool_idle_timeout: Duration = Field(timedelta(seconds=300), description="an idle connection above the minimum is closed")
    db_pool_max_lifetime: Duration = Field(timedelta(seconds=1800), description="a connection is replaced after")
    db_retry_max_attempts: int = Field(3, ge=1, le=100, description="tries of one write after transient errors")
    db_retry_initial_delay_ms: int = Field(100, ge=1, le=60_000, description="before the second try")
    db_retry_max_delay_ms: int = Field(5000, ge=1, le=600_000, description="the longest wait between tries")
    db_retry_backoff_multiplier: float = Field(2.0, ge=1.0, le=10.0, description="growth of the wait")

    redis_url: SecretStr | None = Field(None, description="optional query cache; off without it")
    redis_pool_size: int = Field(50, ge=1, le=10_000, description="connections to Redis")
    redis_timeout_secs: float = Field(5.0, gt=0, le=60, description="for one Redis command")

    chunk_interval: Duration = Field(DAY, description="time span of one partition or chunk")
    compress_after: Duration = Field(7 * DAY, description="age at which TimescaleDB compresses a chunk")
    retention: Duration = Field(90 * DAY, description="facts older than this are dropped by whole partitions")
    content_retention: Duration = Field(90 * DAY, description="the same for prompts and completions")
    copy_direct_compress: bool = Field(default=False, description="TimescaleDB 2.28.1+: COPY into compressed chunks")
    ledger_retention: Duration = Field(timedelta(hours=6), description="how long a retried request is recognised")
    accept_max_age: Age = Field(None, description="older records are rejected; retention - one chunk by default, off allows all")
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
    insert_max_rows: int = Field(100, ge=0, le=1000, description="up to so many rows go as one INSERT instead of COPY")
    ingest_committers: int = Field(2, ge=1, le=16, description="connections that commit, a lane")
    ingest_max_inflight_bytes: Size = Field(64 * 1024**2, ge=1024**2, description="admitted and not yet committed")

    shutdown_grace: Duration = Field(timedelta(seconds=20), description="from SIGTERM to exit")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="lowest level written")
    metrics_enabled: bool = Field(default=True, description="serve /metrics")
    observatory_codec: Literal["auto", "native", "reference"] = Field("auto", description="native if built, else reference")
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

    @model_validator(mode="after")
    def _check_together(self) -> Settings:
        faults = []
        if self.db_pool_min_connections > self.db_pool_max_connections:
            faults.append("DB_POOL_MIN_CONNECTIONS is above DB_POOL_MAX_CONNECTIONS")
        if self.chunk_interval < timedelta(hours=1) or DAY % self.chunk_interval and self.chunk_interval % DAY:
            faults.append("CHUNK_INTERVAL must divide a day or be whole days, and be at least 1h")
        if self.retention < 2 * self.chunk_interval:
            faults.append("RETENTION must be at least two CHUNK_INTERVALs")
        if self.accept_max_age is not None and self.accept_max_age > self.retention:
            faults.append("ACCEPT_MAX_AGE is beyond RETENTION: what it lets in would be dropped at once")
        if self.shutdown_grace < timedelta(seconds=2):
            faults.append("SHUTDOWN_GRACE must be at least 2s")
        if faults:
            raise ValueError("; ".join(faults))
        return self


def _is_secret(name: str) -> bool:
    annotation = Settings.model_fields[name].annotation
    return SecretStr in (annotation, *get_args(annotation))


def _from_yaml(path: str | None) -> tuple[dict[str, Any], list[str]]:
    if path is None:
        return {}, []
    try:
        loaded = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        return {}, [f"CONFIG_FILE {path}: {error}"]
    if loaded is None:
        return {}, []
    if not isinstance(loaded, dict):
        return {}, [f"CONFIG_FILE {path}: must be a mapping of setting names to values"]
    values = {str(key).lower(): value for key, value in loaded.items()}
    faults = [f"CONFIG_FILE {path}: unknown setting {key}" for key in values if key not in Settings.model_fields]
    return {key: value for key, value in values.items() if key in Settings.model_fields}, faults


def _from_names(names: Mapping[str, str | None], origin: str) -> tuple[dict[str, Any], list[str]]:
    values: dict[str, Any] = {}
    faults: list[str] = []
    for name, value in names.items():
        key = name.lower()
        if key in Settings.model_fields:
            if value is not None and value != "":
                values[key] = value
        elif name.upper().startswith(OUR_PREFIXES):
            faults.append(f"{origin}: unknown setting {name}")
    return values, faults


def _fault(error: Any) -> str:
    name = str(error["loc"][0]).upper() if error["loc"] else ""
    message = error["msg"].removeprefix("Value error, ")
    if not name:
        return message
    shown = "" if _is_secret(name.lower()) else f" (it is {error['input']!r})"
    return f"{name}: {message}{shown}"


def load(environ: Mapping[str, str] | None = None, env_file: Path = Path(".env")) -> Settings:
    """Read and check all settings. Raises ConfigError with one line a fault; secrets are never in it."""
    environ = os.environ if environ is None else environ
    from_dotenv, dotenv_faults = _from_names(dotenv_values(env_file) if env_file.is_file() else {}, str(env_file))
    config_file = environ.get("CONFIG_FILE") or (dotenv_values(env_file).get("CONFIG_FILE") if env_file.is_file() else None)
    from_yaml, yaml_faults = _from_yaml(config_file)
    from_environment, environment_faults = _from_names(environ, "environment")
    faults = [*environment_faults, *dotenv_faults, *yaml_faults]
    try:
        settings = Settings.model_validate({**from_yaml, **from_dotenv, **from_environment})
    except ValidationError as error:
        faults.extend(part for fault in error.errors() for part in _fault(fault).split("; "))
        raise ConfigError(faults) from None
    if faults:
        raise ConfigError(faults)
    return settings


def masked(settings: Settings) -> dict[str, str]:
    """Every setting as text under its environment name, secrets masked, for `check` and the log."""
    return {
        name.upper(): "" if (value := getattr(settings, name)) is None else str(value) for name in Settings.model_fields
    }
