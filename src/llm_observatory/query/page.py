"""Page tokens: where the next page begins, and of which question.

A token holds the sort key of the last row (keyset pagination: rows that come in meanwhile move nothing) and a digest of the
request without its page: a token of another question is refused instead of answered wrongly.
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b

from google.protobuf.message import Message

from llm_observatory.errors import InvalidQuery
from llm_observatory.query import normal

FIELD = "page_token"
_DIGEST_BYTES = 8

Key = list[int | float | str | None]
"""Bytes go as hex. JSON gives ints and doubles back exactly."""


def token(request: Message, key: Key) -> str:
    """The token of the page after the row with this sort key."""
    return urlsafe_b64encode(_digest(request) + json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def key(request: Message, length: int) -> Key | None:
    """Where the page that is asked for begins; None for the first page. InvalidQuery for a token that is not of this question.

    `length` is that of the keys of this question. What a client makes up is no danger: values are parameters.
    """
    given: str = getattr(request, FIELD)
    if not given:
        return None
    try:
        raw = urlsafe_b64decode(given + "=" * (-len(given) % 4))
        digest, found = raw[:_DIGEST_BYTES], json.loads(raw[_DIGEST_BYTES:])
    except (binascii.Error, ValueError, RecursionError):
        raise InvalidQuery(FIELD, "is no token of this service") from None
    if digest != _digest(request):
        raise InvalidQuery(FIELD, "belongs to another question: send the same conditions as for the page before")
    if not isinstance(found, list) or len(found) != length:
        raise InvalidQuery(FIELD, "is no token of this service")
    return found


def _digest(request: Message) -> bytes:
    """Of the conditions. Deterministic within one version of protobuf; another version only refuses a token."""
    question = normal.normal(request)
    for field in (FIELD, "page_size"):
        question.ClearField(field)
    return blake2b(normal.written(question), digest_size=_DIGEST_BYTES).digest()
