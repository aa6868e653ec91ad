"""The files of deploy/prometheus and deploy/alertmanager: their tools take them, that they fit the service and each other."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from llm_observatory import metrics
from tests.plugins.alerting import ALERTMANAGER, DEPLOY, PROMETHEUS, RULES, alerts, loaded, rules
from tests.plugins.programs import environment, program

DOCS = Path(__file__).parents[2] / "docs"
RUNBOOKS = DOCS / "runbooks"
RULE_TESTS = sorted((Path(__file__).parent / "rules").glob("*.yml"))

FOREIGN = re.compile(r"^(up|(node|pg|alertmanager|process|postgresql_log)_\w+)$")
"""Of Prometheus, node_exporter, postgres_exporter, Alertmanager, any process, and deploy/mtail."""

SEVERITIES = {"critical", "warning", "info"}
DASHBOARDS = {"storage-overview", "database-health", "query-performance", "llm-usage"}
SECTIONS = ["What it means", "What users see", "Check first", "Causes and what to do", "When it is over", "How to prevent it"]

NAMES = sorted({alert["alert"] for alert in alerts()})
GRADES = sorted({(alert["alert"], alert["labels"]["severity"]) for alert in alerts()})


def run(name: str, *arguments: object) -> str:
    """Run a program and return what it says; a failure is the test's, with its words."""
    done = subprocess.run(
        [program(name), *map(str, arguments)], env=environment(), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def scraped_names() -> set[str]:
    """Every name that a sample of ours can have."""
    names: set[str] = set()
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    for family in text_string_to_metric_families(generate_latest(metrics.REGISTRY).decode()):
        names |= {family.name + suffix for suffix in suffixes.get(family.type, ("",))}
    return names


def names_in(expression: str) -> set[str]:
    """The metrics an expression reads: words that are neither labels, nor functions, nor PromQL's own."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}', "", expression)
    bare = re.sub(r"\b(by|on|ignoring|without|group_left|group_right)\s*\([^)]*\)", "", bare)
    words = re.findall(r"\b[a-z_:][a-z0-9_:]*\b(?!\s*\()", re.sub(r"\[[^\]]*\]|offset \w+", "", bare))
    return set(words) - {"and", "or", "unless", "sum", "max", "min", "count"}


def cases() -> list[tuple[str, set[str]]]:
    """Of every promtool test: the alert it asks for, and the severities it expects to fire."""
    return [
        (asked["alertname"], {expected["exp_labels"]["severity"] for expected in asked["exp_alerts"]})
        for path in RULE_TESTS
        for group in loaded(path)["tests"]
        for asked in group["alert_rule_test"]
    ]


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_alerts_fire_and_are_silent_as_promtool_has_it(path: Path) -> None:
    assert "SUCCESS" in run("promtool", "test", "rules", path)


@pytest.mark.parametrize("alert, severity", GRADES, ids=str)
def test_every_alert_has_a_firing_and_a_silent_case(alert: str, severity: str) -> None:
    of_this = [severities for name, severities in cases() if name == alert]
    assert any(severity in severities for severities in of_this)
    assert any(severity not in severities for severities in of_this)


@pytest.mark.parametrize("path", [PROMETHEUS, PROMETHEUS.with_name("long-term.yml")], ids=lambda path: path.stem)
def test_prometheus_takes_its_configuration_with_rules_and_targets(path: Path) -> None:
    assert "is valid prometheus config" in run("promtool", "check", "config", "--lint=all", "--lint-fatal", path)


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_rules_only_read_what_is_there(path: Path) -> None:
    known = scraped_names() | {rule["record"] for rule in rules() if "record" in rule}
    for group in loaded(path)["groups"]:
        for rule in group["rules"]:
            read = names_in(rule["expr"])
            assert read, rule["expr"]
            assert {name for name in read if name not in known and not FOREIGN.match(name)} == set(), rule


def test_mtail_counts_what_the_alerts_read() -> None:
    program_text = (DEPLOY / "mtail" / "postgresql.mtail").read_text(encoding="utf-8")
    counted = {
        name: set(labels.split(", ")) for name, labels in re.findall(r"^counter (\w+) by (.+)$", program_text, re.MULTILINE)
    }
    read = {name for rule in rules() for name in names_in(rule["expr"]) if name.startswith("postgresql_log_")}
    assert read == counted.keys()
    assert counted == {"postgresql_log_failed_logins_total": {"reason"}, "postgresql_log_ddl_total": {"role", "verb"}}


LOG = """\
2026-11-28 12:00:00.123 UTC [77] user=eve,db=d,app=,client=10.0.0.9 FATAL:  password authentication failed for user "eve"
2026-11-28 12:00:01.123 UTC [78] user=eve,db=d,app=,client=10.0.0.9 FATAL:  no pg_hba.conf entry for host "10.0.0.9"
2026-11-28 12:00:02.123 UTC [79] user=eve,db=d,app=,client=10.0.0.9 FATAL:  role "eve" does not exist
2026-11-28 12:00:03.123 UTC [80] user=eve,db=d,app=psql,client= FATAL:  terminating connection due to administrator command
2026-11-28 12:00:04.123 UTC [81] user=eve,db=d,app=psql,client= LOG:  statement: DROP TABLE llm_logs;
2026-11-28 12:00:05.123 UTC [81] user=eve,db=d,app=psql,client= LOG:  execute <unnamed>: drop view v
2026-11-28 12:00:06.123 UTC [81] user=eve,db=d,app=psql,client= LOG:  AUDIT: SESSION,1,1,DDL,CREATE TABLE,,,create table t(),
2026-11-28 12:00:07.123 UTC [81] user=eve,db=d,app=psql,client= LOG:  duration: 1200.1 ms  statement: SELECT 'DROP TABLE t'
"""
"""As PostgreSQL writes with the log_line_prefix of audit.conf."""


def test_mtail_finds_failed_logins_and_ddl_in_a_log(tmp_path: Path) -> None:
    log = tmp_path / "postgresql.log"
    log.write_text(LOG, encoding="utf-8")
    page = run(
        "mtail", "-one_shot", "-one_shot_format=prometheus", "-progs", DEPLOY / "mtail" / "postgresql.mtail", "-logs", log
    )
    samples = {line.replace('prog="postgresql.mtail",', "") for line in page.splitlines() if not line.startswith("#")}
    assert samples == {
        'postgresql_log_ddl_total{role="eve",verb="create"} 1',
        'postgresql_log_ddl_total{role="eve",verb="drop"} 2',
        'postgresql_log_failed_logins_total{reason="credentials"} 1',
        'postgresql_log_failed_logins_total{reason="no_role"} 1',
        'postgresql_log_failed_logins_total{reason="not_allowed"} 1',
    }


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: f"{alert['alert']}-{alert['labels']['severity']}")
def test_every_alert_says_what_it_is_and_where_to_look(alert: dict[str, Any]) -> None:
    assert alert["labels"].keys() == {"severity", "component"}
    assert alert["labels"]["severity"] in SEVERITIES
    notes = alert["annotations"]
    assert notes.keys() == {"summary", "description", "runbook_url", "dashboard"}
    assert notes["runbook_url"] == f"{{{{ $externalLabels.runbooks }}}}/{alert['alert']}.md"
    assert notes["dashboard"].partition("}}/d/")[2] in DASHBOARDS
    # `absent` has no number, and a service that does not answer has none either.
    assert "$value" in notes["description"] or alert["alert"] == "StorageServiceDown"


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_has_a_runbook_of_the_one_shape(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == SECTIONS
    assert all(section.strip() for section in re.split(r"^## .+$", text, flags=re.MULTILINE))
    first = text.partition("## Check first\n")[2].partition("\n## ")[0]
    assert "```" in first, "a command to begin with"


def test_no_runbook_is_left_over_and_the_index_has_all() -> None:
    assert sorted(path.stem for path in RUNBOOKS.glob("*.md") if path.name != "README.md") == NAMES
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| ([a-z, ]+) \| .+ \| .+ \|$", index, flags=re.MULTILINE)
    listed = {(name, grade) for name, page, grades in rows for grade in grades.split(", ") if name == page}
    assert sorted(listed) == GRADES


def test_alertmanager_takes_its_configuration() -> None:
    assert "SUCCESS" in run("amtool", "check-config", ALERTMANAGER)


@pytest.mark.parametrize(
    "severity, receivers",
    [("critical", "pager,chat"), ("warning", "chat,mail"), ("info", "monitoring-only"), ("unheard-of", "mail")],
)
def test_who_is_told(severity: str, receivers: str) -> None:
    given = f"--config.file={ALERTMANAGER}"
    assert run("amtool", "config", "routes", "test", given, f"severity={severity}").strip() == receivers


def test_inhibitions_name_alerts_that_exist() -> None:
    matchers = [
        matcher
        for rule in loaded(ALERTMANAGER)["inhibit_rules"]
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
        if matcher.startswith("alertname")
    ]
    named = {name for matcher in matchers for name in re.findall(r"\w+", matcher.partition("=")[2])}
    assert len(named) > 10
    assert named <= set(NAMES)


def test_secrets_are_files() -> None:
    text = ALERTMANAGER.read_text(encoding="utf-8")
    secret = re.compile(r"^\s*-?\s*(\w*(?:password|url|key)\w*):", re.MULTILINE)
    assert {name for name in secret.findall(text) if not name.endswith("_file")} == set()
