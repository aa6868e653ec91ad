"""Who may send and who may ask: bearer tokens (RFC 6750), each of one tenant.

A line of the file is `tenant rights token`: rights are `ingest`, `query` or `all`, the token is 16 characters or more, or
`sha256:` and the hexadecimal digest of one, so that the file need not hold it. Lines that begin with # are comments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple

from llm_observatory.errors import ConfigError, PermissionDenied, Unauthenticated
from llm_observatory.serving.watched import Watched
from llm_observatory.settings import BEARER_TOKEN

SETTING = "TOKENS_FILE"

Right = Literal["ingest", "query"]
RIGHTS: Mapping[str, frozenset[Right]] = {
    "ingest": frozenset({"ingest"}),
    "query": frozenset({"query"}),
    "all": frozenset({"ingest", "query"}),
}

MIN_TOKEN_CHARACTERS = 16
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_SCHEME = "bearer "


class Grant(NamedTuple):
    """What a token allows, in whose name."""

    tenant: str
    rights: frozenset[Right]


class Tokens:
    """The tokens of a file, read again when it changes. Raises ConfigError with every faulty line, and quotes none."""

    def __init__(self, file: Path) -> None:
        self._watched = Watched([file], lambda: _read(file))

    def tenant(self, authorization: str | None, right: Right) -> str:
        """Whose the call is, by the value of its `authorization`. Raises Unauthenticated, PermissionDenied."""
        if authorization is None:
            raise Unauthenticated("a token is needed: authorization: Bearer …")
        if not authorization.lower().startswith(_SCHEME):
            raise Unauthenticated("authorization must be Bearer and a token")
        # By their digests: how long a look-up takes says nothing about a token.
        grant = self._watched.value.get(_digest(authorization[len(_SCHEME) :].strip()))
        if grant is None:
            raise Unauthenticated("the token is not known")
        if right not in grant.rights:
            raise PermissionDenied(f"the token does not allow {right}")
        return grant.tenant


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()


def _read(file: Path) -> dict[bytes, Grant]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{SETTING}: {file}: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{SETTING}: {file}: not UTF-8"]) from None
    grants: dict[bytes, Grant] = {}
    faults: list[str] = []
    for number, line in _lines(text):
        try:
            digest, grant = _grant(line)
            _demand(digest not in grants, "the token stands in a line before")
        except ValueError as error:
            faults.append(f"{SETTING}: {file}: line {number}: {error}")
        else:
            grants[digest] = grant
    if not grants and not faults:
        faults.append(f"{SETTING}: {file}: there is no token in it: nobody could send or ask")
    if faults:
        raise ConfigError(faults)
    return grants


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _grant(line: str) -> tuple[bytes, Grant]:
    """Raises ValueError with what is wrong, never with a token in it."""
    match line.split():
        case [tenant, rights, token]:
            pass
        case _:
            raise ValueError("must be: tenant rights token")
    _demand(_TENANT.fullmatch(tenant), "a tenant has 1 to 64 of A-Z a-z 0-9 . _ -, and begins with a letter or digit")
    _demand(rights in RIGHTS, f"rights must be one of {', '.join(RIGHTS)}")
    digest = _DIGEST.fullmatch(token)
    if digest is not None:
        return bytes.fromhex(digest[1]), Grant(tenant, RIGHTS[rights])
    _demand(not token.startswith("sha256:"), "sha256: takes 64 hexadecimal digits in lower case")
    _demand(len(token) >= MIN_TOKEN_CHARACTERS, f"a token has at least {MIN_TOKEN_CHARACTERS} characters")
    _demand(BEARER_TOKEN.fullmatch(token), "a token is made of A-Z a-z 0-9 . _ ~ + / - and ends with any number of =")
    return _digest(token), Grant(tenant, RIGHTS[rights])


def _demand(holds: object, fault: str) -> None:
    if not holds:
        raise ValueError(fault)


Authorization = Callable[[str | None], str]
"""From the value of `authorization`, None where there is none, to the tenant. Raises Unauthenticated, PermissionDenied."""
