"""The declarations hold together: names, types, ops, and the spec that is rendered from them."""

from __future__ import annotations

import json
import re

import pytest

from llm_observatory import tables
from llm_observatory.tables import llm
from llm_observatory.tables.column import CONVERSIONS, OPS, TENANT, Column, Source, Table
from llm_observatory.tables.rules import REJECTIONS, REPAIRS
from llm_observatory.tables.spec import render

PROMOTED = [column for column in tables.LLM_TRACES.columns if column.op.startswith(("attr:", "resource_attr:"))]


@pytest.mark.parametrize("table", tables.TABLES, ids=lambda table: table.name)
def test_a_table_begins_with_its_tenant_and_repeats_no_name(table: Table) -> None:
    assert table.columns[0] is TENANT
    names = [column.name for column in table.columns]
    assert len(set(names)) == len(names)
    assert [name for name in [table.name, *names] if not re.fullmatch(r"[a-z][a-z0-9_]*", name)] == []


@pytest.mark.parametrize("table", [table for table in tables.TABLES if table.partitioned], ids=lambda table: table.name)
def test_a_partitioned_table_has_its_time_column(table: Table) -> None:
    column = table.column("timestamp")
    assert (column.type, column.role, column.nullable) == ("timestamptz", "time", False)


def test_a_column_whose_op_renders_another_type_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="renders timestamptz, the column is text"):
        Column(name="c", type="text", op="span.start_us")
    with pytest.raises(ValueError, match="renders int8, the column is text"):
        Column(name="c", type="text", op="attr:k:int")
    with pytest.raises(KeyError):
        Column(name="c", type="text", op="span.unheard_of")
    with pytest.raises(KeyError):
        Column(name="c", type="text", op="attr:k:unheard_of")


def test_look_up_of_a_column() -> None:
    assert tables.LLM_TRACES.column("provider").op == "attr:gen_ai.provider.name:provider"
    with pytest.raises(KeyError):
        tables.LLM_TRACES.column("nothing")


def test_every_op_and_conversion_is_used() -> None:
    used = {column.op for table in tables.TABLES for column in table.columns}
    assert OPS.keys() - used == set()
    conversions = {source_op.rsplit(":", 1)[1] for column in PROMOTED for source_op in (column.op, *_alias_ops(column))}
    assert CONVERSIONS.keys() - conversions == {"text_list"}  # kept for columns of lists that are not folded


def _alias_ops(column: Column) -> list[str]:
    return [source.op for source in column.aliases]


@pytest.mark.parametrize("column", PROMOTED, ids=lambda column: column.name)
def test_a_promoted_column_is_nullable_and_its_sources_fit_its_type(column: Column) -> None:
    assert column.nullable
    assert {CONVERSIONS[source.conversion] for source in column.aliases} <= {column.type}
    ops = [column.op, *_alias_ops(column)]
    assert len(set(ops)) == len(ops)


def test_a_canonical_attribute_fills_one_column_only() -> None:
    canonical = [column.op.split(":")[1] for column in PROMOTED]
    aliases = [source.key for column in PROMOTED for source in column.aliases]
    assert len(set(canonical)) == len(canonical)
    assert set(canonical) & set(aliases) == set()
    assert llm.CARRIER_MARK[0] not in canonical


def test_folded_names_stay_as_they_are_when_folded_again() -> None:
    for aliases in (llm.PROVIDER_ALIASES, llm.OPERATION_ALIASES, llm.FINISH_REASON_ALIASES):
        assert {name for name in aliases.values() if aliases.get(name, name) != name} == set()
    assert all(name == name.lower() for name in [*llm.PROVIDER_ALIASES, *llm.DOTTED_PROVIDERS, *llm.FRAMEWORKS])
    assert set() == llm.CALL_OPERATIONS & llm.ROLLUP_OPERATIONS


def test_usage_names_columns() -> None:
    names = {column.name for column in llm.LLM_COLUMNS}
    assert {llm.OPERATION_COLUMN, *llm.USAGE_COLUMNS} <= names


def test_the_spec_is_canonical_json_and_says_everything() -> None:
    spec = json.loads(tables.SPEC)
    assert json.dumps(spec, sort_keys=True, separators=(",", ":")) == tables.SPEC == render(tables.TABLES)
    assert spec["rejections"] == sorted(REJECTIONS)
    assert spec["repairs"] == sorted(REPAIRS)
    for table, rendered in zip(tables.TABLES, spec["tables"], strict=True):
        assert (rendered["name"], rendered["kind"]) == (table.name, table.kind)
        for column, item in zip(table.columns, rendered["columns"], strict=True):
            assert (item["name"], item["type"], item["op"], item["nullable"], item["role"], item.get("max_bytes")) == (
                column.name,
                column.type,
                column.op,
                column.nullable,
                column.role,
                column.max_bytes,
            )
            assert item.get("aliases", []) == [source.op for source in column.aliases]


def test_how_a_source_is_spelled() -> None:
    assert Source("a:b", "int").op == "attr:a:b:int"
    assert Source("a", "text", "resource").op == "resource_attr:a:text"
