"""What a setting can be: types that parse what people write, and limit it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from llm_observatory.quantity import parse_duration, parse_size

BEARER_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What may stand behind Bearer in a header (RFC 6750, 2.1)."""

T = TypeVar("T")


def _none_if_off(value: object) -> object:
    return None if str(value).lower() == "off" else value


def _begins_with(*schemes: str) -> Callable[[SecretStr], SecretStr]:
    def check(value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(schemes):
            raise ValueError(f"must begin with {' or '.join(schemes)}")
        return value

    return check


def _token(value: SecretStr) -> SecretStr:
    if not BEARER_TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("must be one word of A-Z a-z 0-9 . _ ~ + / -, with any number of = behind it")
    return value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _parse_names(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _origin(value: str) -> str:
    _, scheme, host = value.rpartition("://")
    if value not in ("*", "null") and ("/" in host or not scheme):
        raise ValueError("must be origins, such as https://app.example.com, without a path, or *")
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration), Field(le=timedelta(days=36_500))]
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
ConnectionTime = Annotated[timedelta, BeforeValidator(parse_duration), Field(ge=0.1 * SECOND, le=24 * DAY)]
"""grpcio takes milliseconds up to 2^31."""
OFF = BeforeValidator(_none_if_off)
OrOff = Annotated[T | None, OFF]
"""The word `off` is None, and None is shown as it."""
Size = Annotated[int, BeforeValidator(parse_size)]
PostgresUrl = Annotated[SecretStr, AfterValidator(_begins_with("postgresql://", "postgres://"))]
RedisUrl = Annotated[SecretStr, AfterValidator(_begins_with("redis://", "rediss://", "unix://"))]
Token = Annotated[SecretStr, AfterValidator(_token)]
Port = Annotated[int, Field(ge=0, le=65535)]
Names = Annotated[tuple[str, ...], BeforeValidator(_parse_names)]
"""Separated by commas."""
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_parse_names)]
UrlPath = Annotated[str, Field(pattern=r"^/[!$-;=@-Z_a-z~]*$")]
SocketPath = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/@+-]{1,102}$")]
"""Absolute, in characters that are the same in a gRPC target, and no longer than macOS allows."""

SslMode = Annotated[Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"], BeforeValidator(_lower)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)]
SelfTelemetry = Annotated[Literal["off", "traces", "metrics", "all"], BeforeValidator(_lower)]
Codec = Annotated[Literal["auto", "native", "reference"], BeforeValidator(_lower)]
ContentCapture = Annotated[Literal["full", "truncated", "off"], BeforeValidator(_lower)]
