"""What the database must look like: its catalog against `tables/`, both ways."""

from __future__ import annotations

from collections.abc import Mapping

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.translate import translated
from llm_observatory.tables import TABLES, VIEWS, Table

_TYPE_NAMES = {
    "bool": "boolean",
    "float8": "double precision",
    "int2": "smallint",
    "int8": "bigint",
    "timestamptz": "timestamp with time zone",
}
"""What format_type() calls the types whose declared name is an alias."""

_MIGRATIONS_TABLE = "schema_migrations"

_RELATIONS = """
SELECT c.relname, pg_get_partkeydef(c.oid)
FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1
"""

_VIEWS = "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'v'"

_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
"""

_BURDENS = """
WITH fact AS (
    SELECT root.relname AS fact, tree.relid::oid AS oid
    FROM pg_class root CROSS JOIN LATERAL (
        SELECT root.oid::regclass AS relid UNION SELECT relid FROM pg_partition_tree(root.oid)
    ) tree
    WHERE root.relnamespace = current_schema()::regnamespace AND root.relname = ANY(%s)
)
SELECT fact.fact, 'unique index ' || i.indexrelid::regclass
FROM fact JOIN pg_index i ON i.indrelid = fact.oid WHERE i.indisunique
UNION ALL
SELECT fact.fact, 'trigger ' || t.tgname || ' on ' || fact.oid::regclass
FROM fact JOIN pg_trigger t ON t.tgrelid = fact.oid WHERE NOT t.tgisinternal
UNION ALL
SELECT fact.fact, 'foreign key ' || k.conname || ' on ' || fact.oid::regclass
FROM fact JOIN pg_constraint k ON k.conrelid = fact.oid WHERE k.contype = 'f'
ORDER BY 1, 2
"""


async def differences(connection: AsyncConnection, declared: tuple[Table, ...] = TABLES) -> list[str]:
    """A readable line for each difference between the catalog and `declared`. Empty: equal.

    Of our views the names are compared; those of others, which read our tables, are no business of ours.
    """
    names = [table.name for table in declared]
    facts = [table.name for table in declared if table.kind in {"fact", "index"}]
    with translated():
        relations: dict[str, str | None] = dict(await (await connection.execute(_RELATIONS)).fetchall())
        views = {name for (name,) in await (await connection.execute(_VIEWS)).fetchall()}
        columns: dict[str, dict[str, tuple[str, bool]]] = {}
        for relation, column, kind, nullable in await (await connection.execute(_COLUMNS, [names])).fetchall():
            columns.setdefault(relation, {})[column] = (kind, nullable)
        burdens = await (await connection.execute(_BURDENS, [facts])).fetchall()
    found: list[str] = []
    for table in declared:
        if table.name not in relations:
            found.append(f"{table.name}: the table is missing")
            continue
        found += _partitioning(table, relations[table.name])
        found += _columns(table, columns.get(table.name, {}))
    found += [f"{name}: a table that nothing declares" for name in relations if name not in {*names, _MIGRATIONS_TABLE}]
    found += [f"{name}: the view is missing" for name in VIEWS if name not in views]
    return found + [f"{fact}: {burden} slows every COPY and must not be there" for fact, burden in burdens]


def _partitioning(table: Table, key: str | None) -> list[str]:
    expected = None
    if table.partitioned:
        expected = next(f'RANGE ("{column.name}")' for column in table.columns if column.role == "time")
    # PostgreSQL quotes a name only where it must, and `timestamp` is such a name.
    if (key or "").replace('"', "") == (expected or "").replace('"', ""):
        return []
    return [f"{table.name}: partitioned by {key or 'nothing'}, expected {expected or 'nothing'}"]


def _columns(table: Table, actual: Mapping[str, tuple[str, bool]]) -> list[str]:
    found: list[str] = []
    for column in table.columns:
        if column.name not in actual:
            found.append(f"{table.name}.{column.name}: the column is missing")
            continue
        kind, nullable = actual[column.name]
        element = column.type.removesuffix("[]")
        expected = _TYPE_NAMES.get(element, element) + column.type[len(element) :]
        if kind != expected:
            found.append(f"{table.name}.{column.name}: type {kind}, expected {expected}")
        if nullable != column.nullable:
            found.append(f"{table.name}.{column.name}: {_null(nullable)}, expected {_null(column.nullable)}")
    declared = [column.name for column in table.columns]
    found += [f"{table.name}.{name}: a column that nothing declares" for name in actual if name not in declared]
    if sorted(actual) == sorted(declared) and list(actual) != declared:
        found.append(f"{table.name}: columns in order {', '.join(actual)}; expected {', '.join(declared)}")
    return found


def _null(nullable: bool) -> str:  # noqa: FBT001  # one value, not a switch
    return "nullable" if nullable else "not null"
