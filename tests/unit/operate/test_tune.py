"""The settings for a machine: they fit into it, grow with it, and differ from a server's only where they do."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from llm_observatory.operate.tune import Machine, advise, compare, conf, connections
from llm_observatory.operate.tune.compare import amount
from llm_observatory.settings import Settings
from llm_observatory.storage.server_settings import ServerSetting

GIB = 1024**3
MACHINE = Machine(memory=16 * GIB, cpus=8, disk="ssd", connections=100, chunks=90, timescaledb=True)
MEMORIES = [GIB // 2, GIB, 4 * GIB, 16 * GIB, 64 * GIB, 256 * GIB]


def values(machine: Machine) -> dict[str, str]:
    return {setting.name: setting.value for setting in advise(machine)}


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("given", [20, 100, 1000])
def test_what_is_given_out_is_there(memory: int, given: int) -> None:
    found = values(replace(MACHINE, memory=memory, connections=given))
    size = {
        name: amount(found[name]) for name in ("shared_buffers", "work_mem", "maintenance_work_mem", "effective_cache_size")
    }
    assert size["shared_buffers"] + size["maintenance_work_mem"] < memory / 2
    assert size["effective_cache_size"] < memory
    # Not all connections sort at once; 4 MB is the least that is worth having.
    assert size["work_mem"] * given <= memory or size["work_mem"] == 4 * 1024**2


def test_more_memory_never_means_less() -> None:
    for name in ("shared_buffers", "effective_cache_size", "work_mem", "maintenance_work_mem", "max_wal_size", "wal_buffers"):
        sizes = [amount(values(replace(MACHINE, memory=memory))[name]) for memory in MEMORIES]
        assert sizes == sorted(sizes), name


def test_a_known_machine() -> None:
    found = values(MACHINE)
    assert {name: found[name] for name in ("shared_buffers", "effective_cache_size", "work_mem", "maintenance_work_mem")} == {
        "shared_buffers": "4GB", "effective_cache_size": "12GB", "work_mem": "40MB", "maintenance_work_mem": "1GB",
    }  # fmt: skip
    assert found["max_connections"] == "100"
    assert (found["jit"], found["fsync"], found["full_page_writes"]) == ("off", "on", "on")


def test_disk_and_engine() -> None:
    assert values(replace(MACHINE, disk="hdd"))["random_page_cost"] == "4"
    plain = values(replace(MACHINE, timescaledb=False))
    assert not [name for name in plain if name.startswith("timescaledb")]
    assert plain["shared_preload_libraries"] == "pg_stat_statements"
    assert int(plain["max_worker_processes"]) < int(values(MACHINE)["max_worker_processes"])


@pytest.mark.parametrize("chunks, locks", [(1, 256), (90, 512), (400, 2048), (100_000, 4096)])
def test_locks_for_all_chunks_of_a_table(chunks: int, locks: int) -> None:
    assert values(replace(MACHINE, chunks=chunks))["max_locks_per_transaction"] == str(locks)


def test_every_setting_is_named_once_and_has_its_reason() -> None:
    advice = advise(MACHINE)
    assert len({setting.name for setting in advice}) == len(advice)
    assert all(setting.why and "\n" not in setting.why for setting in advice)


def test_a_file_of_them() -> None:
    lines = conf(MACHINE, advise(MACHINE)).splitlines()
    environment = {"# MALLOC_TRIM_THRESHOLD_=67108864", "# MALLOC_MMAP_THRESHOLD_=33554432"}
    assert environment <= set(lines)
    given = {line.partition(" = ")[0]: line for line in lines if " = " in line and line not in environment}
    assert given.keys() == {f"{'#' if setting.optional else ''}{setting.name}" for setting in advise(MACHINE)}
    assert given["log_line_prefix"].startswith("log_line_prefix = '%m [%p] %q%u@%d/%a ' ")
    assert given["shared_buffers"].startswith("shared_buffers = 4GB ")
    assert given["#archive_mode"].startswith("#archive_mode = on ")


def test_connections_of_processes() -> None:
    settings = Settings(ingest_committers=2, db_pool_max_connections=20)
    found = connections(settings, cpus=8, processes=3)
    assert (found.committers, found.per_process, found.maximum) == (8, 34, 3 * 34 + 13)
    assert (found.fit, found.exhausted, found.suggested_pool) == (3, False, 6)
    crowded = connections(settings, cpus=8, processes=4, maximum=found.maximum)
    assert (crowded.fit, crowded.exhausted, crowded.needed) == (3, True, 4 * 34 + 13)
    assert connections(settings, cpus=2, processes=1, maximum=20).fit == 0


@pytest.mark.parametrize(
    "value, unit, expected",
    [
        ("4GB", "", 4 * GIB),
        ("524288", "8kB", 4 * GIB),
        ("900", "s", 900_000),
        ("15min", "", 900_000),
        ("0.9", "", 0.9),
        ("-1", "", -1),
    ],
)
def test_amounts_as_postgresql_writes_them(value: str, unit: str, expected: float) -> None:
    assert amount(value, unit) == expected


@pytest.mark.parametrize("value", ["much", "4XB", ""])
def test_what_is_no_amount(value: str) -> None:
    with pytest.raises(ValueError, match="no amount"):
        amount(value)


def test_only_what_differs_is_told() -> None:
    advice = [setting for setting in advise(MACHINE) if not setting.optional]
    same = {
        setting.name: ServerSetting(setting.value, "", "integer" if setting.value[0].isdigit() else "string", True, False)
        for setting in advice
    }
    assert compare(advice, same) == ()
    same["shared_buffers"] = ServerSetting("524288", "8kB", "integer", True, False)
    same["shared_preload_libraries"] = ServerSetting("pgaudit, pg_stat_statements,timescaledb", "", "string", True, True)
    assert compare(advice, same) == ()
    same["shared_buffers"] = ServerSetting("16384", "8kB", "integer", True, False)
    same["jit"] = ServerSetting("on", "", "bool", False, False)
    same["shared_preload_libraries"] = ServerSetting("pg_stat_statements", "", "string", True, True)
    del same["timescaledb.max_background_workers"]
    found = {difference.advice.name: (difference.current, difference.restart) for difference in compare(advice, same)}
    assert found == {
        "shared_buffers": ("16384 * 8kB", True),
        "shared_preload_libraries": ("pg_stat_statements", True),
        "timescaledb.max_background_workers": (None, True),
        "jit": ("on", False),
    }


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    return subprocess.run(
        [sys.executable, "-m", "llm_observatory", "tune", *arguments],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_the_verb_without_a_database() -> None:
    done = run("--memory", "16GB", "--cpus", "8", "--connections", "100", "--json")
    assert (done.returncode, "was not asked" in done.stderr) == (0, True)
    printed = json.loads(done.stdout)
    assert printed["machine"]["memory"] == 16 * GIB
    assert {setting["name"]: setting["value"] for setting in printed["settings"]} == values(MACHINE)
    assert "differs" not in printed["settings"][0]
    assert printed["environment"] == {"MALLOC_TRIM_THRESHOLD_": "67108864", "MALLOC_MMAP_THRESHOLD_": "33554432"}


def test_the_verb_as_a_file() -> None:
    done = run("--memory", "16GB", "--cpus", "8", "--connections", "100", "--engine", "timescaledb", "--format", "conf")
    assert (done.returncode, done.stdout, done.stderr) == (0, conf(MACHINE, advise(MACHINE)), "")


@pytest.mark.parametrize("arguments", [["--memory", "16"], ["--memory", "lots"], ["--cpus", "0"], ["--disk", "tape"]])
def test_arguments_that_are_wrong(arguments: list[str]) -> None:
    assert run(*arguments).returncode == 2
