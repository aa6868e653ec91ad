"""How pytest runs the suite: options, markers, verdicts, the table at the end.

    pytest tests/conformance                                            our own receiver, started for the run
    pytest tests/conformance --target host:4317 --http host:4318        any receiver

A test says `@pytest.mark.requirement("G4", "MUST")`, and what it saw with the fixture `seen`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from tests.conformance import deviations, record, verdict
from tests.conformance.manifest import BY_KEY, REQUIREMENTS, Level, Requirement
from tests.conformance.record import Finding, Run

FOLDER = Path(__file__).parent

FINDING = pytest.StashKey[Finding]()
FINDINGS = pytest.StashKey[list[Finding]]()
RECORDED = pytest.StashKey[dict[str, Finding]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("otlp conformance", "tests/conformance: which receiver, and what to do with the findings")
    group.addoption("--target", metavar="HOST:PORT", help="measure the OTLP/gRPC receiver there, not our own")
    group.addoption("--http", metavar="HOST:PORT", help="measure the OTLP/HTTP receiver there")
    group.addoption("--limit", metavar="BYTES", type=int, default=64 * 2**20, help="its request limit, if not 64 MiB")
    group.addoption("--header", metavar="NAME:VALUE", action="append", help="credentials that it asks for, in every request")
    group.addoption("--conformance-json", metavar="FILE", type=Path, help="write what was seen to FILE")
    group.addoption("--conformance-renew", action="store_true", help="do not compare what is seen with the published page")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "requirement(id, level): what the test is about, from tests/conformance/manifest.py")
    config.addinivalue_line("markers", "own_process(why): what the test looks at can only be seen in a process of our own")
    config.addinivalue_line("markers", "runs_last(why): the test waits for something that goes on beside all others")
    config.stash[FINDINGS] = []
    renew = config.getoption("conformance_renew")
    found = record.read().findings if record.FILE.exists() and not renew else []
    config.stash[RECORDED] = {finding.test: finding for finding in found}


def is_other(config: pytest.Config) -> bool:
    """Whether a receiver was named."""
    return bool(config.getoption("target") or config.getoption("http"))


NO_CREDENTIALS = "as measured, without TOKENS_FILE (or what another receiver has for it), it asks nobody for credentials"
"""Why G18 and H18 are not measured then."""


def header_option(config: pytest.Config) -> dict[str, str]:
    """The headers that every request is to carry."""
    given: list[str] = config.getoption("header") or []
    return {name.strip().lower(): value.strip() for name, _, value in (header.partition(":") for header in given)}


def keys_of(item: pytest.Item) -> list[tuple[str, Level]]:
    """The requirements a test is about."""
    return [cast("tuple[str, Level]", tuple(marker.args)) for marker in reversed(list(item.iter_markers("requirement")))]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test that is about a requirement nobody made is an error. One that waits comes last."""
    for item in items:
        keys = keys_of(item)
        if unknown := [key for key in keys if key not in BY_KEY]:
            raise pytest.UsageError(f"{item.nodeid} is about {unknown}, which is not in tests/conformance/manifest.py")
        if keys:
            item.stash[FINDING] = Finding(item.nodeid.rpartition("tests/conformance/")[2], keys)
    items.sort(key=lambda item: item.get_closest_marker("runs_last") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Run the test and put the verdict in the place of its outcome."""
    finding = item.stash.get(FINDING, None)
    if finding is None:
        return (yield)
    failure: BaseException | None = None
    try:
        yield
    except pytest.skip.Exception:
        raise
    except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - whatever a test fails with
        failure = error
    judged = _judge(item, finding, holds=failure is None)
    finding.result, finding.reason = judged
    match judged.result:
        case "fail" if judged.reason or failure is None:
            pytest.fail(judged.reason)
        case "fail":
            raise cast("BaseException", failure)
        case "deviation" | "not met":
            pytest.xfail(f"{judged.result}: {judged.reason or failure}")
    return None


def _judge(item: pytest.Item, finding: Finding, *, holds: bool) -> verdict.Verdict:
    if is_other(item.config):
        return verdict.judge_other((level for _, level in finding.requirements), holds=holds)
    recorded: list[str] | None = None
    if not item.config.getoption("conformance_renew"):
        on_page = item.config.stash[RECORDED].get(finding.test)
        recorded = on_page.seen if on_page is not None else []
    return verdict.judge_ours(finding.seen, holds=holds, deviation=deviations.BY_TEST.get(finding.test), recorded=recorded)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Keep the finding when there is one."""
    report = yield
    finding = item.stash.get(FINDING, None)
    if finding is None:
        return report
    if call.excinfo is not None and call.excinfo.errisinstance(pytest.skip.Exception):
        finding.result, finding.reason = "not applicable", str(call.excinfo.value)
    elif call.excinfo is not None and call.when != "call":
        finding.result, finding.reason = "fail", f"in its {call.when}: {call.excinfo.value}"
    if call.when == "teardown":
        item.config.stash[FINDINGS].append(finding)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    of_worker: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if of_worker is not None:
        of_worker["findings"] = [asdict(finding) for finding in session.config.stash[FINDINGS]]
        return
    file: Path | None = session.config.getoption("conformance_json")
    if file is not None:
        record.write(run_of(session.config), file)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker found (pytest-xdist); one that crashed says nothing."""
    for found in getattr(node, "workeroutput", {}).get("findings", []):
        node.config.stash[FINDINGS].append(record.finding(found))


def run_of(config: pytest.Config) -> Run:
    """What was found so far."""
    addresses = (config.getoption("target"), config.getoption("http"))
    receiver = " ".join(address for address in addresses if address) or "ours"
    return Run(receiver, f"{datetime.now(UTC):%Y-%m-%d}", config.stash[FINDINGS])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """A line for each requirement that was tried."""
    findings = config.stash[FINDINGS]
    if not findings:
        return
    terminalreporter.section("OTLP conformance")
    for requirement in REQUIREMENTS:
        if about := record.of(requirement.key, findings):
            terminalreporter.write_line(_line(requirement, about))


def _line(requirement: Requirement, findings: Sequence[Finding]) -> str:
    result = verdict.worst(finding.result for finding in findings)
    apart = sum(finding.result == "not applicable" for finding in findings)
    beside = f" ({apart} of {len(findings)} tests not applicable)" if apart and result != "not applicable" else ""
    return f"{requirement.id:<4}{requirement.level:<12}{result:<15}{requirement.sentence}{beside}"
