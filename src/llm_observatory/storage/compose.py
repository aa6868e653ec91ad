"""The parts that statements are composed of: text of our own, names that are quoted, parameters that are sent apart.

For `query/`, which composes statements and may hold nothing else of psycopg. What a client sends is only ever a parameter.
"""

from __future__ import annotations

from importlib.resources.abc import Traversable
from typing import TypeAlias

from psycopg.sql import SQL, Composable, Composed, Identifier, Placeholder

Statement: TypeAlias = SQL | Composed


def named(folder: Traversable, name: str) -> SQL:
    """The statement in the file `name.sql` of a folder of ours; in braces what it is completed with, by `format`."""
    return SQL(folder.joinpath(f"{name}.sql").read_text(encoding="utf-8"))


__all__ = ["SQL", "Composable", "Composed", "Identifier", "Placeholder", "Statement", "named"]
