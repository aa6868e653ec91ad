"""Where PostgreSQL is: what settings become, read back by libpq itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from llm_observatory.errors import ConfigError
from llm_observatory.settings import Settings, load
from llm_observatory.storage.target import conninfo, data_dir, describe, target

NO_FILE = Path("/nonexistent/.env")


def settings(**names: str) -> Settings:
    return load(names, NO_FILE)


@pytest.mark.parametrize("host", ["db.example", "10.0.0.1", "::1", "/var/run/post gresql", "@abstract", "a.example,b.example"])
@pytest.mark.parametrize("password", ["p", "a:b@c/d?e#f%20 g&h=ü", "'\\"])
def test_parts_become_a_url_that_says_the_same(host: str, password: str) -> None:
    url = conninfo(
        settings(
            DB_HOST=host, DB_PORT="6543", DB_NAME="my/db?", DB_USER="us:er@", DB_PASSWORD=password, DB_SSL_MODE="verify-full"
        )
    )
    read = conninfo_to_dict(url)
    assert read == {
        "host": host,
        "port": "6543",
        "dbname": "my/db?",
        "user": "us:er@",
        "password": password,
        "sslmode": "verify-full",
    }


def test_without_a_password() -> None:
    assert conninfo(settings(DB_HOST="h")) == "postgresql://postgres@h:5432/llm_observatory?sslmode=prefer"


def test_a_url_is_taken_as_it_is_and_wins() -> None:
    url = "postgresql://u:p%40@h:1/d?sslmode=require&application_name=x"
    assert conninfo(settings(DATABASE_URL=url, DB_HOST="other")) == url


@pytest.mark.parametrize("name", ["DATABASE_URL", "DB_READ_URL", "DB_DIRECT_URL"])
@pytest.mark.parametrize("tail", ["h%zz/d", "h/d?no_such_parameter=canary", "h/d?sslmode", "[::1/d"])
def test_a_url_libpq_refuses_is_a_fault_without_its_password(name: str, tail: str) -> None:
    given = settings(**{"DB_HOST": "h", name: f"postgresql://u:canary@{tail}"})
    with pytest.raises(ConfigError) as caught:
        target(given)
    assert caught.value.faults[0].startswith(f"{name}: not a URL")
    assert "canary" not in str(caught.value)


def test_read_and_direct_follow_write_unless_given() -> None:
    plain = target(settings(DATABASE_URL="postgresql://w"))
    assert (plain.read, plain.direct) == (plain.write, plain.write)
    all_three = target(settings(DATABASE_URL="postgresql://w", DB_READ_URL="postgresql://r", DB_DIRECT_URL="postgresql://d"))
    assert (all_three.write, all_three.read, all_three.direct) == ("postgresql://w", "postgresql://r", "postgresql://d")


def test_the_embedded_server_has_its_own() -> None:
    assert target(settings(), "postgresql://embedded").read == "postgresql://embedded"
    with pytest.raises(ConfigError, match="neither DATABASE_URL nor DB_HOST"):
        target(settings())


def test_description_has_no_password() -> None:
    assert describe("postgresql://u:canary@h:1/d?sslmode=require") == "d on h:1 as u"
    assert describe("postgresql://u:canary@/d?host=%2Frun&port=1") == "d on /run as u"
    assert describe("postgresql://") == "the default database on the local socket as the default user"


def test_data_folder() -> None:
    assert data_dir(settings(LLM_OBSERVATORY_DATA_DIR="~/x y")) == Path.home() / "x y"
    assert data_dir(settings()).is_absolute()
