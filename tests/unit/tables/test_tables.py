"""The declarations hold together: names, types, ops, and the spec that is rendered from them."""

from __future__ import annotations

import json
import re

import pytest

from llm_observatory import tables
from llm_observatory.settings import Settings
from llm_observatory.tables import content, dialects, llm, logs
from llm_observatory.tables.column import CONVERSIONS, OPS, TENANT, Column, Source, Table
from llm_observatory.tables.rules import ODDITIES, REJECTIONS, REPAIRS
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
    (column,) = [column for column in table.columns if column.role == "time"]
    assert (column.name, column.type, column.nullable) == ("timestamp", "timestamptz", False)


def test_tables_of_facts_are_kept_for_a_while_and_content_for_its_own() -> None:
    kept = {table.name: table.kept_for for table in tables.TABLES}
    assert kept.pop("llm_content") == "content_retention"
    assert {name for name, setting in kept.items() if setting == "retention"} == {
        table.name for table in tables.TABLES if table.kind in {"fact", "index"} and table.name != "llm_content"
    }
    assert {table.partitioned for table in tables.TABLES if table.kept_for is None} == {False}
    assert set(filter(None, kept.values())) | {"content_retention"} <= Settings.model_fields.keys()


def test_text_that_leads_an_index_is_cut() -> None:
    """A btree entry holds 2,704 bytes. The whole name of a metric stands in metric_labels only."""
    uncut = {
        (table.name, column.name)
        for table in tables.TABLES
        for column in table.columns
        if column.role == "key" and column.type == "text" and column.max_bytes is None
    }
    assert uncut == {("metric_labels", "metric_name")}


def test_views_have_names_of_their_own() -> None:
    assert len(set(tables.VIEWS)) == len(tables.VIEWS)
    assert tables.BY_NAME.keys() & set(tables.VIEWS) == set()


def test_a_column_whose_op_renders_another_type_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="renders timestamptz, the column is text"):
        Column(name="c", type="text", op="span.start_us")
    with pytest.raises(ValueError, match="renders int8, the column is text"):
        Column(name="c", type="text", op="attr:k:int")
    with pytest.raises(KeyError):
        Column(name="c", type="text", op="span.unheard_of")
    with pytest.raises(KeyError):
        Column(name="c", type="text", op="attr:k:unheard_of")


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
    assert dialects.CARRIER_MARK[0] not in canonical


def test_folded_names_stay_as_they_are_when_folded_again() -> None:
    for aliases in (dialects.PROVIDER_ALIASES, dialects.OPERATION_ALIASES, dialects.FINISH_REASON_ALIASES):
        assert {name for name in aliases.values() if aliases.get(name, name) != name} == set()
    assert all(name == name.lower() for name in [*dialects.PROVIDER_ALIASES, *dialects.DOTTED_PROVIDERS, *dialects.FRAMEWORKS])
    assert set() == dialects.CALL_OPERATIONS & dialects.ROLLUP_OPERATIONS


def test_an_attribute_is_content_of_one_kind_or_promoted() -> None:
    keys = [key for kind in content.KINDS.values() for key in kind]
    assert len(set(keys)) == len(keys)
    assert {source_op.split(":")[1] for column in PROMOTED for source_op in (column.op, *_alias_ops(column))} & set(
        keys
    ) == set()
    assert {kind for kind, _ in content.EVENTS.values()} <= content.KINDS.keys()
    assert all(keys for _, keys in content.EVENTS.values())


def test_families_of_content_take_no_promoted_attribute() -> None:
    prefixes = tuple(key[:-1] for keys in content.KINDS.values() for key in keys if key.endswith(".*"))
    promoted = {source_op.split(":")[1] for column in PROMOTED for source_op in (column.op, *_alias_ops(column))}
    assert prefixes
    assert {key for key in promoted if key.startswith(prefixes)} == set()
    counted = re.compile(
        "|".join(re.escape(key[:-1]) + "[0-9]" for keys in content.KINDS.values() for key in keys if key[-2:] == ".#")
    )
    assert {key for key in promoted if counted.match(key)} == set()


def test_levels_of_logs() -> None:
    assert len(logs.LEVELS) * 4 == 24, "SeverityNumber goes from 1 to 24"
    assert set(logs.LEVEL_ALIASES.values()) <= set(logs.LEVELS)
    assert all(text == text.upper() and text not in logs.LEVELS for text in logs.LEVEL_ALIASES)


def test_a_rule_is_of_one_sort() -> None:
    assert len(REJECTIONS | REPAIRS | ODDITIES) == len(REJECTIONS) + len(REPAIRS) + len(ODDITIES)
    assert all(re.fullmatch(r"[a-z_]+", rule) for rule in REJECTIONS | REPAIRS | ODDITIES)


def test_usage_names_columns() -> None:
    names = {column.name for column in llm.LLM_COLUMNS}
    assert {dialects.OPERATION_COLUMN, *dialects.USAGE_COLUMNS} <= names


def test_the_spec_is_canonical_json_and_says_everything() -> None:
    spec = json.loads(tables.SPEC)
    assert json.dumps(spec, sort_keys=True, separators=(",", ":")) == tables.SPEC == render(tables.TABLES)
    assert spec["rejections"] == sorted(REJECTIONS)
    assert spec["repairs"] == sorted(REPAIRS)
    assert spec["oddities"] == sorted(ODDITIES)
    assert spec["content"]["kinds"] == {kind: list(keys) for kind, keys in content.KINDS.items()}
    assert spec["logs"] == {"levels": list(logs.LEVELS), "level_aliases": logs.LEVEL_ALIASES}
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
