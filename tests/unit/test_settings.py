"""Settings: precedence, limits, all faults at once, and secrets in no message."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from pydantic import SecretStr

from llm_observatory import settings as module
from llm_observatory.errors import ConfigError
from llm_observatory.settings import MASK, SECRETS, Settings, load, masked, read

CANARY = "hunter2-canary"


class Place:
    """A folder with a `.env` and a YAML file, and an environment."""

    def __init__(self, folder: Path) -> None:
        self.env_file = folder / ".env"
        self.yaml = folder / "settings.yaml"
        self.environ: dict[str, str] = {}

    def env(self, text: str) -> Place:
        self.env_file.write_text(text, encoding="utf-8")
        return self

    def config(self, text: str) -> Place:
        self.yaml.write_text(text, encoding="utf-8")
        self.environ["CONFIG_FILE"] = str(self.yaml)
        return self

    def names(self, **environ: str) -> Place:
        self.environ |= environ
        return self

    def load(self) -> Settings:
        return load(self.environ, self.env_file)

    def faults(self) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self.load()
        return caught.value.faults

    def fault(self) -> str:
        (fault,) = self.faults()
        return fault


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_defaults_are_those_of_the_manual(place: Place) -> None:
    settings = place.load()
    assert settings.embedded
    assert (settings.db_port, settings.db_name, settings.db_user, settings.db_ssl_mode) == (
        5432,
        "llm_observatory",
        "postgres",
        "prefer",
    )
    assert (settings.otlp_grpc_port, settings.otlp_http_port, settings.query_port, settings.health_check_port) == (
        4317,
        4318,
        8080,
        9090,
    )
    assert settings.listen_host == "127.0.0.1"
    assert settings.retention == timedelta(days=90)
    assert settings.accept_max_age == timedelta(days=89)
    assert settings.otlp_max_request_bytes == 64 * 1024**2
    assert settings.shutdown_grace == timedelta(seconds=20)


def test_environment_beats_env_file_beats_yaml(place: Place) -> None:
    place.config("BATCH_SIZE: 1\nREAD_SLOTS: 1\nDB_PORT: 1").env("BATCH_SIZE=2\nREAD_SLOTS=2").names(BATCH_SIZE="3")
    loaded = read(place.environ, place.env_file)
    assert (loaded.settings.batch_size, loaded.settings.read_slots, loaded.settings.db_port) == (3, 2, 1)
    assert loaded.origins == {"batch_size": "environment", "read_slots": str(place.env_file), "db_port": str(place.yaml)}


def test_config_file_may_be_named_in_the_env_file(place: Place, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("read_slots: 7")
    place.env(f"CONFIG_FILE={tmp_path / 'other.yaml'}")
    assert place.load().read_slots == 7


def test_all_faults_at_once(place: Place) -> None:
    place.config("retentoin: 5d\nbatch_size: many")
    place.env("DB_HOTS=localhost")
    place.names(READ_SLOTS="0", OTLP_GRPC_PROT="1", LOG_LEVEL="loud")
    faults = place.faults()
    assert len(faults) == 6
    assert [
        part
        for part in ("RETENTION", "BATCH_SIZE", "DB_HOST", "READ_SLOTS", "OTLP_GRPC_PORT", "LOG_LEVEL")
        if not any(part in fault for fault in faults)
    ] == []


@pytest.mark.parametrize("name", ["DB_POOL_MIN_CONECTIONS", "OTLP_PORT", "LLM_OBSERVATORY_DATADIR", "db_host", "INGEST_X"])
def test_an_unknown_name_under_our_prefixes_is_a_fault(place: Place, name: str) -> None:
    assert f"environment: unknown setting {name}" in place.names(**{name: "1"}).fault()


def test_a_typing_error_gets_a_hint(place: Place) -> None:
    assert place.names(DB_POOL_MIN_CONECTIONS="1").fault().endswith("did you mean DB_POOL_MIN_CONNECTIONS?")


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "REDIS_SERVICE_HOST",
        "REDIS_SERVICE_PORT_HTTP",
        "REDIS_PORT",
        "REDIS_PORT_6379_TCP_ADDR",
        "LLM_OBSERVATORY_PORT_4317_TCP",
    ],
)
def test_what_others_put_into_the_environment_is_none_of_ours(place: Place, name: str) -> None:
    assert place.names(**{name: "tcp://10.0.0.1:6379"}).load() == Settings()


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_a_blank_value_is_none(place: Place, text: str) -> None:
    place.env("BATCH_SIZE=5").names(BATCH_SIZE=text, DATABASE_URL=text, RETENTION=text)
    settings = place.load()
    assert settings.batch_size == 5
    assert settings.embedded


def test_white_space_around_a_value_does_not_count(place: Place) -> None:
    place.names(LOG_LEVEL=" INFO ", DB_PASSWORD=" with spaces \n")
    settings = place.load()
    assert settings.log_level == "info"
    assert settings.db_password is not None
    assert settings.db_password.get_secret_value() == " with spaces "


@pytest.mark.parametrize(
    "text,value", [("true", True), ("1", True), ("YES", True), ("on", True), ("false", False), ("no", False)]
)
def test_booleans_mean_the_same_in_yaml_and_environment(place: Place, text: str, value: bool) -> None:
    assert place.names(METRICS_ENABLED=text).load().metrics_enabled is value
    place.environ.clear()
    assert place.config(f"metrics_enabled: {text}").load().metrics_enabled is value


def test_not_a_boolean(place: Place) -> None:
    assert "METRICS_ENABLED: 'maybe'" in place.names(METRICS_ENABLED="maybe").fault()


def test_yaml_values_are_taken_as_written(place: Place) -> None:
    settings = place.config(
        "DB_HOST: h\ndb_password: 0123\nAccept_Max_Age: off\ndb_port: null\nread_slots: ~\ndb_name: 'null'"
    ).load()
    assert settings.db_password is not None
    assert settings.db_password.get_secret_value() == "0123"
    assert settings.accept_max_age is None
    assert (settings.db_port, settings.read_slots, settings.db_name) == (5432, 4, "null")


@pytest.mark.parametrize(
    "text,message",
    [
        ("db:\n  host: x", "line 1: db is a group; settings are flat"),
        ("read_slots: [1]", "line 1: READ_SLOTS must be one value"),
        ("db_host: {a: 1}", "line 1: DB_HOST must be one value"),
        ("read_slots: 1\nREAD_SLOTS: 2", "line 2: READ_SLOTS is set a second time"),
        ("- a\n- b", "must be a mapping"),
        ("just words", "must be a mapping"),
        ("a: b: c", "line 1: not YAML"),
        ("? [a]\n: 1", "a key that is not a name"),
        ("a: 1\n---\nb: 2", "not YAML"),
        ("DB_HOTS: x", "unknown setting DB_HOTS; did you mean DB_HOST?"),
        ("CONFIG_FILE: other.yaml", "unknown setting CONFIG_FILE"),
    ],
)
def test_faults_of_the_yaml_file(place: Place, text: str, message: str) -> None:
    fault = place.config(text).fault()
    assert fault.startswith(f"{place.yaml}: ")
    assert message in fault


@pytest.mark.parametrize("text", ["", "# nothing\n", "null"])
def test_an_empty_yaml_file_is_fine(place: Place, text: str) -> None:
    assert place.config(text).load() == Settings()


def test_files_that_cannot_be_read(place: Place, tmp_path: Path) -> None:
    assert "does not exist" in place.names(CONFIG_FILE=str(tmp_path / "none.yaml")).fault()
    assert "cannot be read: Is a directory" in place.names(CONFIG_FILE=str(tmp_path)).fault()
    place.yaml.write_bytes(b"\xff\xfe")
    assert "is not UTF-8" in place.names(CONFIG_FILE=str(place.yaml)).fault()
    place.names(CONFIG_FILE="")
    place.env_file.mkdir()
    assert f"{place.env_file}: cannot be read" in place.fault()


def test_faults_of_the_env_file(place: Place) -> None:
    faults = place.env("BATCH_SIZE=1\nnot a setting\nBATCH_SIZE=2\nDB_HOTS=x\nOTHER=fine\n").faults()
    assert [fault.removeprefix(f"{place.env_file}: ") for fault in faults] == [
        "line 2 is not NAME=value",
        "line 3 sets BATCH_SIZE a second time",
        "unknown setting DB_HOTS; did you mean DB_HOST?",
    ]


def test_a_dollar_in_the_env_file_is_a_dollar(place: Place) -> None:
    settings = place.env("DB_PASSWORD='pa${HOME}$$word'\nexport DB_HOST=h # here\n").load()
    assert settings.db_password is not None
    assert settings.db_password.get_secret_value() == "pa${HOME}$$word"
    assert settings.db_host == "h"


LIMITS = {
    "DB_PORT": ("0", "65536"),
    "DB_POOL_MAX_CONNECTIONS": ("0", "1001"),
    "DB_POOL_MIN_CONNECTIONS": ("-1", "1001"),
    "DB_POOL_CONNECT_TIMEOUT": ("50ms", "301s"),
    "DB_POOL_IDLE_TIMEOUT": ("999ms", "36501d"),
    "DB_POOL_MAX_LIFETIME": ("999ms", "36501d"),
    "DB_RETRY_MAX_ATTEMPTS": ("0", "101"),
    "DB_RETRY_INITIAL_DELAY_MS": ("0", "60001"),
    "DB_RETRY_MAX_DELAY_MS": ("0", "600001"),
    "DB_RETRY_BACKOFF_MULTIPLIER": ("0.9", "10.1", "nan", "inf"),
    "REDIS_POOL_SIZE": ("0", "10001"),
    "REDIS_TIMEOUT_SECS": ("0", "61", "nan"),
    "CHUNK_INTERVAL": ("59min", "36501d", "0"),
    "COMPRESS_AFTER": ("59min", "36501d"),
    "RETENTION": ("36501d", "0", "119min"),
    "CONTENT_RETENTION": ("119min", "36501d"),
    "ROLLUP_RETENTION": ("119min", "36501d"),
    "CONTENT_CAPTURE": ("some", "0"),
    "CONTENT_MAX_BYTES": ("0", "65MiB", "all"),
    "CONTENT_PREVIEW_BYTES": ("0", "1025KiB"),
    "LEDGER_RETENTION": ("59s", "36501d"),
    "ACCEPT_MAX_AGE": ("-1d", "never"),
    "ACCEPT_MAX_AHEAD": ("36501d",),
    "OTLP_GRPC_PORT": ("-1", "65536", "http"),
    "OTLP_HTTP_PORT": ("-1", "65536"),
    "OTLP_HTTP_TRACES_PATH": ("v1/traces", "/v1 traces", "/v1?x", "http://h/v1"),
    "OTLP_HTTP_METRICS_PATH": ("v1",),
    "OTLP_HTTP_LOGS_PATH": ("#",),
    "OTLP_HTTP_HEADER_TIMEOUT": ("99ms", "36501d", "off"),
    "OTLP_HTTP_IDLE_TIMEOUT": ("99ms", "36501d", "off"),
    "OTLP_HTTP_MAX_CONNECTION_AGE": ("99ms", "25d", "never"),
    "OTLP_HTTP_SOCKET": ("otlp.sock", "/a b", "/run/#1", "/", "/" + 103 * "a"),
    "QUERY_TOKEN": ("two words", "t\u00f6ken", "=token"),
    "OTLP_GRPC_SOCKET": ("unix:/run/otlp.sock",),
    "OTLP_GRPC_MAX_CONCURRENT_STREAMS": ("0", "1000001"),
    "OTLP_GRPC_KEEPALIVE_TIME": ("99ms", "25d", "off"),
    "OTLP_GRPC_KEEPALIVE_TIMEOUT": ("99ms", "25d"),
    "OTLP_GRPC_KEEPALIVE_MIN_TIME": ("99ms", "25d"),
    "OTLP_GRPC_KEEPALIVE_PERMIT_WITHOUT_STREAM": ("2",),
    "OTLP_GRPC_MAX_CONNECTION_IDLE": ("99ms", "25d", "0"),
    "OTLP_GRPC_MAX_CONNECTION_AGE": ("99ms", "25d", "never"),
    "OTLP_GRPC_MAX_CONNECTION_AGE_GRACE": ("99ms", "25d", "off"),
    "OTLP_HTTP_CORS_ALLOWED_ORIGINS": ("app.example.com", "*.example.com", "https://a, https://b/", "https://h/path"),
    "OTLP_HTTP_CORS_MAX_AGE": ("36501d", "always"),
    "OTLP_READ_TIMEOUT": ("99ms", "301s", "off"),
    "QUERY_TIMEOUT": ("99ms", "3601s", "off"),
    "QUERY_PORT": ("-1", "65536"),
    "HEALTH_CHECK_PORT": ("-1", "65536"),
    "READ_SLOTS": ("0", "65"),
    "MAX_ITEMS_PER_REQUEST": ("0", "10000001"),
    "OTLP_MAX_REQUEST_BYTES": ("1023", "1025MiB", "much"),
    "BATCH_SIZE": ("0", "1000001", "1.5", "true"),
    "FLUSH_INTERVAL_MS": ("-1", "1001"),
    "INSERT_MAX_FIELDS": ("-1", "10001"),
    "INGEST_COMMITTERS": ("0", "17"),
    "INGEST_MAX_INFLIGHT_BYTES": ("1023KiB",),
    "SHUTDOWN_GRACE": ("1999ms", "601s"),
    "DB_SSL_MODE": ("maybe",),
    "LOG_LEVEL": ("loud",),
    "OBSERVATORY_CODEC": ("rust",),
    "SELF_TELEMETRY": ("logs",),
    "COPY_DIRECT_COMPRESS": ("2",),
    "GRPC_REFLECTION": ("2",),
    "METRICS_ENABLED": ("2",),
    "DATABASE_URL": ("mysql://x", "host=x"),
    "DB_READ_URL": ("x",),
    "DB_DIRECT_URL": ("x",),
    "REDIS_URL": ("http://x",),
}
UNLIMITED = {
    *("DB_HOST", "DB_NAME", "DB_USER", "DB_PASSWORD", "DB_APP_NAME", "LISTEN_HOST", "LLM_OBSERVATORY_DATA_DIR", "BACKUP_DIR"),
    *("OTLP_HTTP_CORS_ALLOWED_HEADERS", "TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CLIENT_CA_FILE", "TOKENS_FILE", "QUERY_CA_FILE"),
}


def test_every_setting_has_its_limits_tested() -> None:
    assert LIMITS.keys() | UNLIMITED == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("name,value", [(name, value) for name, values in LIMITS.items() for value in values])
def test_beyond_a_limit(place: Place, name: str, value: str) -> None:
    fault = place.names(**{name: value}).fault()
    assert fault.startswith(f"environment: {name}: ")
    assert (repr(value) in fault) is (name.lower() not in SECRETS)


@pytest.mark.parametrize(
    "names,message",
    [
        ({"DB_POOL_MIN_CONNECTIONS": "9", "DB_POOL_MAX_CONNECTIONS": "8"}, "DB_POOL_MIN_CONNECTIONS is above"),
        ({"DB_RETRY_INITIAL_DELAY_MS": "9", "DB_RETRY_MAX_DELAY_MS": "8"}, "DB_RETRY_INITIAL_DELAY_MS is above"),
        ({"CHUNK_INTERVAL": "7h"}, "CHUNK_INTERVAL must divide a day"),
        ({"CHUNK_INTERVAL": "36h"}, "CHUNK_INTERVAL must divide a day"),
        ({"RETENTION": "47h"}, "RETENTION must be at least two CHUNK_INTERVALs"),
        ({"RETENTION": "5d", "ACCEPT_MAX_AGE": "6d"}, "ACCEPT_MAX_AGE is beyond RETENTION"),
        ({"RETENTION": "5d", "CONTENT_RETENTION": "6d"}, "CONTENT_RETENTION is beyond RETENTION"),
        ({"CONTENT_RETENTION": "91d"}, "CONTENT_RETENTION is beyond RETENTION"),
        ({"ROLLUP_RETENTION": "89d"}, "ROLLUP_RETENTION is below RETENTION"),
        ({"QUERY_PORT": "9090"}, "HEALTH_CHECK_PORT and QUERY_PORT are both 9090"),
        ({"OTLP_HTTP_PORT": "4317"}, "OTLP_HTTP_PORT and OTLP_GRPC_PORT are both 4317"),
        ({"TLS_CERT_FILE": "/c"}, "TLS_CERT_FILE and TLS_KEY_FILE go together"),
        ({"TLS_KEY_FILE": "/k"}, "TLS_CERT_FILE and TLS_KEY_FILE go together"),
        ({"TLS_CLIENT_CA_FILE": "/a"}, "TLS_CLIENT_CA_FILE needs TLS_CERT_FILE"),
        ({"OTLP_GRPC_SOCKET": "/run/a", "OTLP_HTTP_SOCKET": "/run/a"}, "OTLP_GRPC_SOCKET and OTLP_HTTP_SOCKET are the same"),
        ({"OTLP_HTTP_LOGS_PATH": "/v1/traces"}, "OTLP_HTTP_METRICS_PATH and OTLP_HTTP_LOGS_PATH must differ"),
        ({"DB_READ_URL": "postgresql://h"}, "need DATABASE_URL or DB_HOST"),
    ],
)
def test_settings_that_contradict_each_other(place: Place, names: dict[str, str], message: str) -> None:
    assert message in place.names(**names).fault()


def test_several_contradictions_are_several_faults(place: Place) -> None:
    place.names(QUERY_PORT="9090", CHUNK_INTERVAL="7h", DB_RETRY_INITIAL_DELAY_MS="9", DB_RETRY_MAX_DELAY_MS="8")
    assert len(place.faults()) == 3


def test_a_faulty_value_hides_no_contradiction_between_others(place: Place) -> None:
    place.config("retentoin: 5d").env("DB_RETRY_INITIAL_DELAY_MS=9\nDB_RETRY_MAX_DELAY_MS=8")
    place.names(READ_SLOTS="0", QUERY_PORT="9090", DATABASE_URL=f"mysql://{CANARY}", DB_READ_URL="postgresql://h")
    faults = place.faults()
    for part in ("RETENTION?", "READ_SLOTS", "DATABASE_URL: the value", "MAX_DELAY_MS", "HEALTH_CHECK_PORT and QUERY_PORT"):
        assert len([fault for fault in faults if part in fault]) == 1, part
    assert len(faults) == 5, "whether DB_READ_URL has its DATABASE_URL cannot be said"


@pytest.mark.parametrize(
    "names",
    [
        {"RETENTION": "soon", "ACCEPT_MAX_AGE": "100d"},
        {"RETENTION": "soon", "CONTENT_RETENTION": "100d"},
        {"RETENTION": "5d", "CONTENT_RETENTION": "ages"},
        {"RETENTION": "5d", "ACCEPT_MAX_AGE": "ages"},
        {"CHUNK_INTERVAL": "90 moons", "RETENTION": "3h"},
        {"QUERY_PORT": "9090", "HEALTH_CHECK_PORT": "http"},
        {"DB_HOTS": "db", "DB_READ_URL": "postgresql://h"},
    ],
)
def test_nothing_is_said_about_contradicting_a_value_that_is_not_known(place: Place, names: dict[str, str]) -> None:
    assert len(place.names(**names).faults()) == 1


def test_a_list_is_separated_by_commas(place: Place) -> None:
    origins = ("https://a.example.com:8443", "http://*.example.com", "*", "null", "app://shell")
    assert place.names(OTLP_HTTP_CORS_ALLOWED_ORIGINS=", ".join(origins)).load().otlp_http_cors_allowed_origins == origins
    assert place.names(OTLP_HTTP_CORS_ALLOWED_ORIGINS=" , ").load().otlp_http_cors_allowed_origins == ()


def test_port_zero_may_be_given_twice(place: Place) -> None:
    assert place.names(QUERY_PORT="0", HEALTH_CHECK_PORT="0").load().query_port == 0


def test_accept_max_age_follows_retention(place: Place) -> None:
    assert place.names(RETENTION="10d", CHUNK_INTERVAL="12h").load().accept_max_age == timedelta(days=9, hours=12)


@pytest.mark.parametrize("retention, content", [("10d", 10), ("90d", 90), ("400d", 90)])
def test_content_retention_follows_retention_up_to_its_own_default(place: Place, retention: str, content: int) -> None:
    assert place.names(RETENTION=retention).load().content_retention == timedelta(days=content)
    assert place.names(CONTENT_RETENTION="3d").load().content_retention == timedelta(days=3)


@pytest.mark.parametrize(
    "names, kept",
    [
        ({}, 1024**2),
        ({"CONTENT_MAX_BYTES": "2MiB"}, 2 * 1024**2),
        ({"CONTENT_CAPTURE": "truncated"}, 1024),
        ({"CONTENT_CAPTURE": "Truncated", "CONTENT_PREVIEW_BYTES": "100"}, 100),
        ({"CONTENT_CAPTURE": "truncated", "CONTENT_MAX_BYTES": "50"}, 50),
        ({"CONTENT_CAPTURE": "off", "CONTENT_MAX_BYTES": "2MiB"}, 0),
    ],
)
def test_how_much_content_is_kept(place: Place, names: dict[str, str], kept: int) -> None:
    assert place.names(**names).load().kept_content_bytes == kept


def test_secrets_are_exactly_the_settings_of_a_secret_type() -> None:
    def holds_secret(annotation: object) -> bool:
        return annotation is SecretStr or any(map(holds_secret, get_args(annotation)))

    assert {name for name, field in Settings.model_fields.items() if holds_secret(field.annotation)} == SECRETS


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_is_never_shown(place: Place, name: str) -> None:
    values = {"redis_url": f"redis://:{CANARY}@h", "query_token": CANARY}
    url = values.get(name, f"postgresql://u:{CANARY}@h/d")
    place.names(DB_HOST="h", **{name.upper(): url})
    loaded = read(place.environ, place.env_file)
    assert masked(loaded.settings)[name.upper()] == MASK
    assert CANARY not in f"{loaded!r}{loaded.settings}{masked(loaded.settings)}{list(loaded.notices())}"


@pytest.mark.parametrize("name", sorted(SECRETS - {"db_password"}))
@pytest.mark.parametrize("value", [f"ftp://u:{CANARY}@h", f"u:{CANARY}; and more"])
def test_a_secret_is_never_in_a_fault(place: Place, name: str, value: str) -> None:
    for fault in (place.names(**{name.upper(): value}).faults(), place.config(f"{name}: '{value}'").faults()):
        assert CANARY not in "\n".join(fault)
        assert len(fault) == 1


@pytest.mark.parametrize("text", [f"db_password: [{CANARY}", f"db_password: '{CANARY}", f"x: @{CANARY}"])
def test_a_secret_in_broken_yaml_is_not_quoted(place: Place, text: str) -> None:
    assert CANARY not in place.config(text).fault()


def test_a_message_with_a_semicolon_stays_whole(place: Place) -> None:
    assert place.names(LOG_LEVEL="a; b; c").fault().startswith("environment: LOG_LEVEL: 'a; b; c' ")


def test_values_are_shown_as_they_are_written(place: Place) -> None:
    shown = masked(place.names(RETENTION="90 days", ACCEPT_MAX_AGE="OFF", OTLP_MAX_REQUEST_BYTES="1048576").load())
    assert (shown["RETENTION"], shown["ACCEPT_MAX_AGE"], shown["LEDGER_RETENTION"]) == ("90d", "off", "6h")
    assert (shown["OTLP_MAX_REQUEST_BYTES"], shown["METRICS_ENABLED"], shown["DB_HOST"]) == ("1MiB", "true", "")


def test_what_is_shown_reads_back(place: Place) -> None:
    place.names(DB_HOST="db", RETENTION="36h", CHUNK_INTERVAL="6h", ACCEPT_MAX_AGE="off", LLM_OBSERVATORY_DATA_DIR="/x y")
    settings = place.load()
    assert load({name: value for name, value in masked(settings).items() if value}, place.env_file) == settings


def test_notices(place: Place) -> None:
    def notices(**names: str) -> str:
        return "\n".join(read(names, place.env_file).notices())

    assert notices() == notices(DB_NAME="x") == notices(DB_HOST="h", DB_USER="u") == ""
    assert "DB_HOST, DB_USER not used" in notices(DATABASE_URL="postgresql://h", DB_HOST="h", DB_USER="u")
    assert "the embedded PostgreSQL is used" in notices(DB_PASSWORD=CANARY)


@pytest.mark.parametrize(
    "name,meant",
    [
        ("BATCH_SIZ", "BATCH_SIZE"),
        ("CHUNK_INTERVALL", "CHUNK_INTERVAL"),
        ("INSERT_MAX_FIELD", "INSERT_MAX_FIELDS"),
        ("RETENTOIN", "RETENTION"),
        ("DATABASE_ULR", "DATABASE_URL"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("batch_size", "BATCH_SIZE"),
        ("CONFIGFILE", "CONFIG_FILE"),
    ],
)
def test_a_name_that_is_nearly_ours_is_pointed_out(place: Place, name: str, meant: str) -> None:
    hint = f"{name} is none of our settings; {meant} is"
    assert list(read({name: CANARY}, place.env_file).notices()) == [f"environment: {hint}"]
    place.env(f"{name}={CANARY}")
    assert list(read({}, place.env_file).notices()) == [f"{place.env_file}: {hint}"]
    if name != "batch_size":
        place.config(f"{name}: 1").env("")
        assert "unknown setting" in place.fault()


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "HOME", "LANG", "HOSTNAME", "CONFIG_FILE", "TEST_DATABASE_URL", "DATABASE_URL_RO", "RUST_LOG_LEVEL", "PORT"),
        *("BATCH_SIZE_SERVICE_HOST", "SHELL", "LISTEN_FDS", "POSTGRES_HOST", "QUERY_STRING", "LOG_FORMAT", "RETENTION_DAYS"),
    ],
)
def test_names_of_others_are_left_alone(place: Place, name: str) -> None:
    value = str(place.config("").yaml) if name == "CONFIG_FILE" else "x"
    assert list(read({name: value}, place.env_file).notices()) == []


def test_every_setting_is_read() -> None:
    source = Path(module.__file__).parents[1]
    code = "\n".join(path.read_text() for path in source.rglob("*.py") if path.parent.name != "settings")
    declared = (source / "settings" / "declared.py").read_text()
    own = declared.partition("def embedded")[2].partition("@model_validator")[0]
    assert {name for name in Settings.model_fields if not re.search(rf"\.{name}\b", code + own)} == set()


def test_live_settings_exist() -> None:
    assert Settings.model_fields.keys() >= module.LIVE


@pytest.mark.parametrize(
    "names,notice",
    [
        ({"LISTEN_HOST": "0.0.0.0"}, "LISTEN_HOST lets other machines in and TOKENS_FILE is not set"),
        ({"LISTEN_HOST": "::", "TOKENS_FILE": "/t"}, "TOKENS_FILE without TLS_CERT_FILE"),
        ({"LISTEN_HOST": "::", "TOKENS_FILE": "/t", "TLS_CERT_FILE": "/c", "TLS_KEY_FILE": "/k"}, None),
        ({"LISTEN_HOST": "::1"}, None),
    ],
)
def test_an_open_door_is_pointed_out(place: Place, names: dict[str, str], notice: str | None) -> None:
    place.names(**names)
    said = list(read(place.environ, place.env_file).notices())
    assert said == [] if notice is None else said[0].startswith(notice)
