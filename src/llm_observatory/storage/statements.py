"""SQL by name: `statement("claim_digests")` is the text of `sql/claim_digests.sql`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import LiteralString, cast


@cache
def statement(name: str) -> LiteralString:
    """The statement in `sql/<name>.sql`. The files are part of the package, so their text is as literal as code."""
    return cast(LiteralString, (files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8"))
