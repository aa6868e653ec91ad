"""The PostgreSQL data source, for tests and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from dashboards.grafana import Series, Shown, Table


class Postgres:
    """A database, read in transactions that cannot write."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True, options="-c default_transaction_read_only=on")

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def run(self, statement: str) -> None:
        """A statement without an answer."""
        self._connection.execute(statement.encode())

    def ask(self, target: Mapping[str, Any], shown: Shown) -> Table:
        """The answer to one query of a panel. Raises psycopg.Error with PostgreSQL's words."""
        cursor = self._connection.execute(shown.sql(target["rawSql"]).encode())
        return Table([column.name for column in cursor.description or ()], cursor.fetchall())

    def series(self, target: Mapping[str, Any], shown: Shown) -> list[Series]:
        """The same, of a query over time."""
        return self.ask(target, shown).over_time()

    def options(self, shown: Shown, statement: str) -> list[str]:
        """What can be chosen of a variable. It may name variables of `shown`."""
        return [str(value) for (value,) in self._connection.execute(shown.sql(statement).encode())]
