"""What the database must look like: its catalog against `tables/`, both ways."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.names import aside
from llm_observatory.storage.rollups.kept import kept_table
from llm_observatory.storage.rollups.sql import state_table
from llm_observatory.storage.translate import translated
from llm_observatory.tables import ROLLUP_VIEWS, TABLES, VIEWS, Table

_TYPE_NAMES = {
    "bool": "boolean",
    "float8": "double precision",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "timestamptz": "timestamp with time zone",
}
"""What format_type() calls the types whose declared name is an alias."""

_MIGRATIONS_TABLE = "schema_migrations"

_UNDECLARED = " that nothing declares"

_RELATIONS = """
SELECT c.relname, pg_get_partkeydef(c.oid)
FROM pg_class c
WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1
"""

_HYPERTABLES = """
SELECT hypertable_name, column_name FROM timescaledb_information.dimensions
WHERE hypertable_schema = current_schema() AND dimension_number = 1
"""

_HAS_TIMESCALEDB = "SELECT to_regnamespace('timescaledb_information') IS NOT NULL"

_VIEWS = "SELECT relname FROM pg_class WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relkind = 'v'"

_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relname = ANY(%s)
  AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
"""

_BURDENS = """
WITH fact AS (
    SELECT root.relname AS fact, tree.relid::oid AS oid
    FROM pg_class root CROSS JOIN LATERAL (
        SELECT root.oid::regclass AS relid UNION SELECT relid FROM pg_partition_tree(root.oid)
        UNION SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = root.oid
    ) tree
    WHERE root.relnamespace = quote_ident(current_schema())::regnamespace AND root.relname = ANY(%s)
)
SELECT fact.fact, 'unique index ' || i.indexrelid::regclass
FROM fact JOIN pg_index i ON i.indrelid = fact.oid WHERE i.indisunique
UNION ALL
SELECT fact.fact, 'trigger ' || t.tgname || ' on ' || fact.oid::regclass
FROM fact JOIN pg_trigger t ON t.tgrelid = fact.oid JOIN pg_proc p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND p.pronamespace IS DISTINCT FROM to_regnamespace('_timescaledb_functions')
UNION ALL
SELECT fact.fact, 'foreign key ' || k.conname || ' on ' || fact.oid::regclass
FROM fact JOIN pg_constraint k ON k.conrelid = fact.oid WHERE k.contype = 'f'
ORDER BY 1, 2
"""


async def differences(
    connection: AsyncConnection,
    declared: tuple[Table, ...] = TABLES,
    *,
    with_rollups: bool = True,
    with_foreign: bool = True,
    with_undeclared: bool = True,
) -> list[str]:
    """A readable line for each difference between the catalog and `declared`. Empty: equal.

    `with_foreign`: tables of others that lie beside ours, too; `with_undeclared`: all that is there and not in `declared`.
    Of our views the names are compared; those of others, which read our tables, are no business of ours.
    """
    names = [table.name for table in declared]
    rollups = [view.name for view in ROLLUP_VIEWS]
    facts = [table.name for table in declared if table.kind in {"fact", "index"}]
    with translated():
        relations: dict[str, str | None] = dict(await (await connection.execute(_RELATIONS)).fetchall())
        if await (await connection.execute(_HAS_TIMESCALEDB)).fetchone() == (True,):
            cursor = await connection.execute(_HYPERTABLES)
            relations |= {name: _partitioned_by(column) for name, column in await cursor.fetchall() if name in relations}
        views = {name for (name,) in await (await connection.execute(_VIEWS)).fetchall()}
        columns: dict[str, dict[str, tuple[str, bool]]] = {}
        for relation, column, kind, nullable in await (await connection.execute(_COLUMNS, [names + rollups])).fetchall():
            columns.setdefault(relation, {})[column] = (kind, nullable)
        burdens = await (await connection.execute(_BURDENS, [facts])).fetchall()
    found: list[str] = []
    for table in declared:
        if table.name not in relations:
            found.append(f"{table.name}: the table is missing")
            continue
        found += _partitioning(table, relations[table.name])
        declared_columns = {column.name: (_type(column.type), column.nullable) for column in table.columns}
        found += _columns(table.name, declared_columns, columns.get(table.name, {}))
    ours = {*names, _MIGRATIONS_TABLE, *map(state_table, ROLLUP_VIEWS), *map(kept_table, ROLLUP_VIEWS), *map(aside, facts)}
    if with_foreign:
        found += [f"{name}: a table{_UNDECLARED}" for name in relations if name not in ours]
    found += [f"{name}: the view is missing" for name in VIEWS if name not in views]
    found += [f"{fact}: {burden} slows every COPY and must not be there" for fact, burden in burdens]
    if with_rollups:
        found += _rollups(views, columns)
    return found if with_undeclared else [difference for difference in found if not difference.endswith(_UNDECLARED)]


def _rollups(views: Collection[str], columns: Mapping[str, Mapping[str, tuple[str, bool]]]) -> list[str]:
    """They are made by reconciliation, and made again: without one nothing that comes in is lost."""
    found = [f"{view.name}: the view is missing" for view in ROLLUP_VIEWS if view.name not in views]
    for view in ROLLUP_VIEWS:
        if view.name in views:
            # The columns of a view are always nullable.
            view_columns = {name: (_type(kind), True) for name, kind in view.columns}
            found += _columns(view.name, view_columns, columns.get(view.name, {}))
    return found


def _partitioning(table: Table, key: str | None) -> list[str]:
    expected = None
    if table.partitioned:
        expected = next(_partitioned_by(column.name) for column in table.columns if column.role == "time")
    # PostgreSQL quotes a name only where it must, and `timestamp` is such a name.
    if (key or "").replace('"', "") == (expected or "").replace('"', ""):
        return []
    return [f"{table.name}: partitioned by {key or 'nothing'}, expected {expected or 'nothing'}"]


def _partitioned_by(column: str) -> str:
    """As pg_get_partkeydef says it."""
    return f'RANGE ("{column}")'


def _type(declared: str) -> str:
    """As format_type says it."""
    element = declared.removesuffix("[]")
    return _TYPE_NAMES.get(element, element) + declared[len(element) :]


def _columns(relation: str, declared: Mapping[str, tuple[str, bool]], actual: Mapping[str, tuple[str, bool]]) -> list[str]:
    found: list[str] = []
    for name, (expected_kind, expected_nullable) in declared.items():
        if name not in actual:
            found.append(f"{relation}.{name}: the column is missing")
            continue
        kind, nullable = actual[name]
        if kind != expected_kind:
            found.append(f"{relation}.{name}: type {kind}, expected {expected_kind}")
        if nullable != expected_nullable:
            found.append(f"{relation}.{name}: {_null(nullable)}, expected {_null(expected_nullable)}")
    found += [f"{relation}.{name}: a column{_UNDECLARED}" for name in actual if name not in declared]
    if sorted(actual) == sorted(declared) and list(actual) != list(declared):
        found.append(f"{relation}: columns in order {', '.join(actual)}; expected {', '.join(declared)}")
    return found


def _null(nullable: bool) -> str:  # noqa: FBT001  # one value, not a switch
    return "nullable" if nullable else "not null"
