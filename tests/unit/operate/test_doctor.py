"""The parts of doctor that need no database: thresholds, the running service, what people and programs are shown."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from rich.console import Console

from llm_observatory.operate.doctor import service, show
from llm_observatory.operate.doctor.advice import is_ours, maintain
from llm_observatory.operate.doctor.checks import running, saved, upkeep
from llm_observatory.operate.doctor.findings import Database, Findings
from llm_observatory.operate.doctor.line import Line, Report, Status
from llm_observatory.operate.doctor.service import Service
from llm_observatory.operate.doctor.thresholds import Limit, Thresholds, shown
from llm_observatory.settings import Settings
from llm_observatory.storage.observe.observation import Observation
from llm_observatory.storage.observe.readings import Archive, ArchiveWaiting, DatabaseState, Replica
from llm_observatory.storage.observe.upkeep import Upkeep


@pytest.mark.parametrize(
    "limit, value, expected",
    [
        (Limit("count", warn=1, fail=2), 1, "ok"),
        (Limit("count", warn=1, fail=2), 1.5, "warn"),
        (Limit("count", warn=1, fail=2), 3, "fail"),
        (Limit("count", fail=2), 2, "ok"),
        (Limit("ratio", warn=0.95, below=True), 0.95, "ok"),
        (Limit("ratio", warn=0.95, below=True), 0.94, "warn"),
        (Limit("seconds", warn=30, fail=7, below=True), 6, "fail"),
    ],
)
def test_a_limit_is_what_is_still_good(limit: Limit, value: float, expected: str) -> None:
    line = limit.line("x", value, "says", "do")
    assert (line.status, line.next) == (expected, "" if expected == "ok" else "do")


@pytest.mark.parametrize(
    "value, unit, expected",
    [
        (0.0021, "seconds", "2.1 ms"),
        (60, "seconds", "60 s"),
        (900, "seconds", "15 min"),
        (26 * 3600, "seconds", "26 h"),
        (30 * 86400, "seconds", "30 d"),
        (1000 * 86400, "seconds", "1,000 d"),
        (0.85, "ratio", "85 %"),
        (200_000_000, "count", "200,000,000"),
        (3 * 1024**2, "bytes", "3 MiB"),
        (12, "bytes", "12 B"),
    ],
)
def test_numbers_for_people(value: float, unit: str, expected: str) -> None:
    assert shown(value, unit) == expected  # type: ignore[arg-type]  # of a parametrised test


@contextmanager
def answering(status: int, body: bytes) -> Iterator[Settings]:
    """Something that listens where the sidecar should."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Settings(health_check_port=server.server_port)
        finally:
            server.shutdown()
            thread.join()


def health(status: str = "healthy", active: int = 1) -> bytes:
    return json.dumps({"status": status, "pool_stats": {"active": active, "max_connections": 20}, "database": {}}).encode()


def lines_of(settings: Settings) -> list[Line]:
    found = Findings(settings, service.ask(settings), None, "away")
    return [*running.service(found), *running.pool(found)]


@pytest.mark.parametrize(
    "status, code, expected", [("healthy", 200, "ok"), ("degraded", 200, "warn"), ("unhealthy", 503, "fail")]
)
def test_what_the_running_service_says(status: str, code: int, expected: str) -> None:
    with answering(code, health(status)) as settings:
        said, pool = lines_of(settings)
    assert (said.status, pool.status) == (expected, "ok")
    assert status in said.says
    assert said.value is not None


def test_a_crowded_pool() -> None:
    with answering(200, health(active=18)) as settings:
        pool = lines_of(settings)[1]
    assert (pool.status, pool.value) == ("fail", 0.9)
    assert pool.next == "docs/runbooks/StoragePoolNearCapacity.md"


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"status": "UP"}'])
def test_something_else_that_listens_there(body: bytes) -> None:
    with answering(200, body) as settings:
        (said,) = lines_of(settings)
    assert said.status == "warn"


def archive_lines(archive: Archive, waiting: ArchiveWaiting | None) -> Line:
    seen = Observation(datetime.now(UTC), archive=(archive, waiting))
    (line,) = saved.wal_archive(findings(), Database(seen, Upkeep(), 0.001))
    return line


def findings() -> Findings:
    return Findings(Settings(), Service("here", error="nothing"), None)


@pytest.mark.parametrize(
    "failed_last, waiting, expected",
    [
        (True, ArchiveWaiting(2, 1000.0), "fail"),
        (True, ArchiveWaiting(2, 800.0), "ok"),
        (False, ArchiveWaiting(0, None), "ok"),
        (True, None, "fail"),
        (False, None, "ok"),
    ],
)
def test_wal_is_behind_when_a_file_waits_for_long(failed_last: bool, waiting: ArchiveWaiting | None, expected: Status) -> None:
    archive = Archive(
        enabled=True,
        last_success=None,
        failures=3,
        failed_last=failed_last,
        seconds_since_success=3600,
        waiting_is_visible=True,
    )
    assert archive_lines(archive, waiting).status == expected


def test_a_standby_that_is_behind() -> None:
    seen = Observation(datetime.now(UTC), replicas=[Replica("near", 1), Replica("far", 700)])
    lines = list(saved.replication(findings(), Database(seen, Upkeep(), 0.001)))
    assert [line.status for line in lines] == ["ok", "fail"]


@pytest.mark.parametrize("age, expected", [(199_999_999, "ok"), (200_000_001, "warn"), (1_000_000_001, "fail")])
def test_transaction_ids(age: int, expected: str) -> None:
    state = DatabaseState(1, 0.99, 10**6, age, 1, 100, None)
    (line,) = upkeep.transaction_ids(findings(), Database(Observation(datetime.now(UTC), database=state), Upkeep(), 0.001))
    assert line.status == expected


REPORT = Report(
    [
        Line("good", "ok", "all is well", "warn > 1"),
        Line("bad", "warn", "from \x1b[31ma client", "warn > 1", "look there", 2.0),
    ]
)


@pytest.mark.parametrize("statuses, code", [(["ok"], 0), (["ok", "warn"], 3), (["warn", "fail", "ok"], 1), ([], 0)])
def test_the_exit_code_is_that_of_the_worst(statuses: list[Status], code: int) -> None:
    assert Report([Line("x", status, "") for status in statuses]).exit_code == code


@pytest.mark.parametrize("terminal", [True, False])
def test_people_see_a_table_with_colours_only_on_a_terminal(terminal: bool) -> None:
    page = io.StringIO()
    show(REPORT, Console(file=page, force_terminal=terminal, color_system="standard" if terminal else None, width=100))
    shown_text = page.getvalue()
    assert ("\x1b[" in shown_text) == terminal
    assert "\x1b[31ma client" not in shown_text
    for word in ("all is well", "look there", "1 ok, 1 warn, 0 fail"):
        assert word in shown_text


def test_programs_get_the_numbers() -> None:
    assert REPORT.as_dict() == {
        "status": "warn",
        "checks": [
            {"check": "good", "status": "ok", "says": "all is well", "threshold": "warn > 1", "next": "", "value": None},
            {
                "check": "bad", "status": "warn", "says": "from \x1b[31ma client", "threshold": "warn > 1",
                "next": "look there", "value": 2.0,
            },
        ],
    }  # fmt: skip


def test_every_threshold_has_a_bound_and_warnings_come_first() -> None:
    for name in Thresholds.__slots__:
        limit = getattr(Thresholds(), name)
        assert str(limit), name
        if limit.warn is not None and limit.fail is not None:
            assert limit.status((limit.warn + limit.fail) / 2) == "warn", name


@pytest.mark.parametrize(
    "name, expected",
    [
        ("llm_traces", "vacuum --table llm_traces"),
        ("llm_traces_p20261128", "vacuum --table llm_traces"),
        ("llm_content_p20261128_0600_pkey", "vacuum --table llm_content"),
        ("_timescaledb_internal._hyper_1_5_chunk", "vacuum"),
    ],
)
def test_advice_names_the_table_that_the_verb_takes(name: str, expected: str) -> None:
    assert is_ours(name)
    assert maintain("vacuum", name) == f"llm-observatory maintain {expected}"


def test_tables_of_others_are_not_for_our_verbs() -> None:
    assert not is_ours("crowded")
    assert not is_ours("llm_tracesque")
