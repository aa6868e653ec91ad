"""The suite itself: requirements and tests are bound both ways, the page is what the record renders to, verdicts are strict."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.conformance import deviations, page, record
from tests.conformance.deviations import Deviation
from tests.conformance.manifest import LEVELS, REQUIREMENTS, Level
from tests.conformance.verdict import Verdict, judge_other, judge_ours, worst

FOLDER = Path(__file__).parent
IDS = {*(f"G{number}" for number in range(1, 24)), *(f"H{number}" for number in range(1, 20))}


def named_in_tests() -> Counter[tuple[str, Level]]:
    """What the markers of the tests name, read from their source: also of tests that were not collected."""
    found: Counter[tuple[str, Level]] = Counter()
    for file in FOLDER.glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "requirement":
                id_, level = (ast.literal_eval(argument) for argument in node.args)
                found[id_, level] += 1
    return found


def test_every_id_is_in_the_manifest() -> None:
    assert {requirement.id for requirement in REQUIREMENTS} == IDS


def test_an_id_has_one_sentence_a_level() -> None:
    keys = [requirement.key for requirement in REQUIREMENTS]
    assert len(set(keys)) == len(keys)
    assert {level for _, level in keys} == set(LEVELS)
    for requirement in REQUIREMENTS:
        assert requirement.sentence.endswith("."), requirement.key
        assert requirement.source, requirement.key


def test_every_requirement_has_a_test_and_every_test_a_requirement() -> None:
    assert set(named_in_tests()) == {requirement.key for requirement in REQUIREMENTS}


def test_the_page_is_what_the_record_renders_to() -> None:
    assert page.FILE.read_text(encoding="utf-8") == page.render(record.read()), "python -m tests.conformance --write"


def test_the_record_is_of_our_receiver_and_of_every_requirement() -> None:
    run = record.read()
    assert run.receiver == "ours"
    assert {finding.result for finding in run.findings} <= {"pass", "deviation", "not applicable"}
    for requirement in REQUIREMENTS:
        assert record.of(requirement.key, run.findings), requirement.key


def test_the_record_is_of_the_tests_there_are(request: pytest.FixtureRequest) -> None:
    """A test that was renamed or removed leaves nothing behind. Only where all were collected."""
    collected = {
        item.nodeid.rpartition("tests/conformance/")[2] for item in request.session.items if "conformance" in item.nodeid
    }
    recorded = {finding.test for finding in record.read().findings}
    files = {name.partition("::")[0] for name in collected}
    every = {file.name for file in FOLDER.glob("test_*.py")}
    whole = files == every and not request.config.option.keyword and not any("::" in arg for arg in request.config.args)
    assert {name for name in recorded if name.partition("::")[0] not in every} == set()
    if whole:
        assert recorded - collected == set()


def test_deviations_are_on_record_with_their_reasons() -> None:
    found = {finding.test: finding for finding in record.read().findings if finding.result == "deviation"}
    assert set(found) == set(deviations.BY_TEST)
    assert len(deviations.BY_TEST) == len(deviations.DEVIATIONS)
    for test, deviation in deviations.BY_TEST.items():
        assert found[test].reason == deviation.reason
        assert tuple(found[test].seen) == deviation.seen


A_DEVIATION = Deviation("a test", ("INTERNAL",), "it cannot be helped")


@pytest.mark.parametrize(
    "seen, holds, deviation, recorded, result",
    [
        pytest.param(["OK"], True, None, ["OK"], "pass", id="as it should be"),
        pytest.param(["INTERNAL"], False, None, ["INTERNAL"], "fail", id="broken and not declared"),
        pytest.param(["OK"], True, None, ["fine"], "fail", id="not what the page says"),
        pytest.param(["OK"], True, None, None, "pass", id="the page is being written"),
        pytest.param(["INTERNAL"], False, A_DEVIATION, ["INTERNAL"], "deviation", id="as declared"),
        pytest.param(["UNKNOWN"], False, A_DEVIATION, ["INTERNAL"], "fail", id="another deviation"),
        pytest.param(["OK"], True, A_DEVIATION, ["INTERNAL"], "fail", id="it conforms now"),
        pytest.param(["INTERNAL"], False, A_DEVIATION, [], "fail", id="not on the page"),
    ],
)
def test_the_verdict_on_ours(
    seen: list[str], holds: bool, deviation: Deviation | None, recorded: list[str] | None, result: str
) -> None:
    assert judge_ours(seen, holds=holds, deviation=deviation, recorded=recorded).result == result


def test_the_verdict_on_others() -> None:
    assert judge_other(["MUST"], holds=True) == Verdict("pass")
    assert judge_other(["SHOULD", "MUST"], holds=False).result == "fail"
    assert judge_other(["SHOULD", "RECOMMENDED"], holds=False).result == "not met"


def test_the_worst_of_several_tests_counts() -> None:
    assert worst(["pass", "not applicable"]) == "pass"
    assert worst(["not applicable", "not applicable"]) == "not applicable"
    assert worst(["pass", "deviation", "not applicable"]) == "deviation"
    assert worst(["deviation", "fail"]) == "fail"
