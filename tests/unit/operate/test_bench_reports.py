"""Reports: written, read again, compared; what is no report is refused in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from llm_observatory.app.cli import cli
from llm_observatory.errors import ConfigError
from llm_observatory.operate.bench.compare import changes, differences
from llm_observatory.operate.bench.report import Measurement, Report, read

RUN = Report(
    "codec",
    {"seed": "1"},
    (
        Measurement("rate", 100.0, "items/s", "higher"),
        Measurement("latency", 10.0, "ms", "lower", bar=20.0),
        Measurement("size", 500.0, "B"),
        Measurement("gone", 1.0, "x", "higher"),
    ),
)


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(RUN.to_json())
    assert read(path) == RUN
    assert {"processor", "cores", "memory", "system", "load before"} == set(RUN.machine)
    assert {"llm-observatory", "codec", "Python", "grpcio"} <= set(RUN.versions)


DAMAGED: dict[str, tuple[str, str]] = {
    "text": ("nothing", "no JSON"),
    "another document": ("{}", "no file of `bench … --json`"),
    "a list": ("[]", "no file of `bench … --json`"),
    "another version": ('{"llm-observatory bench": 99}', "of version 99, this is version 1"),
    "half of it": ('{"llm-observatory bench": 1, "kind": "codec"}', "damaged"),
    "strange figures": ('{"llm-observatory bench": 1, "measurements": [{"x": 1}]}', "damaged"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_no_report_is_refused(tmp_path: Path, name: str) -> None:
    text, words = DAMAGED[name]
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read(path)
    with pytest.raises(ConfigError, match="No such file"):
        read(tmp_path / "nothing.json")


def test_bars() -> None:
    assert [Measurement("m", value, "", "higher", 0.8).holds for value in (0.79, 0.8)] == [False, True]
    assert [Measurement("m", value, "", "lower", 4.0).holds for value in (4.0, 4.1)] == [True, False]
    assert Measurement("m", 1.0, "").holds is None


AFTER = Report(
    "codec",
    {"seed": "2"},
    (
        Measurement("rate", 150.0, "items/s", "higher"),
        Measurement("latency", 15.0, "ms", "lower", bar=20.0),
        Measurement("size", 505.0, "B"),
        Measurement("new", 1.0, "x", "higher"),
    ),
    RUN.machine,
    RUN.versions,
)


def test_changes_are_better_or_worse_by_what_they_measure() -> None:
    assert [(one.name, one.verdict) for one in changes(RUN, AFTER)] == [
        ("rate", "better"), ("latency", "worse"), ("size", ""), ("gone", "only before"), ("new", "only after"),
    ]  # fmt: skip
    assert [one.share for one in changes(RUN, AFTER)][:2] == pytest.approx([0.5, 0.5])
    assert [one.verdict for one in changes(RUN, RUN)] == ["same", "same", "", "same"]
    assert list(differences(RUN, AFTER)) == [("seed", "1", "2")]


def test_two_kinds_are_not_compared() -> None:
    with pytest.raises(ConfigError, match="`bench codec`, the other of `bench ingest`"):
        changes(RUN, Report("ingest", {}, ()))


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    (tmp_path / "before.json").write_text(RUN.to_json())
    (tmp_path / "after.json").write_text(AFTER.to_json())
    return lambda *arguments: CliRunner().invoke(cli, ["bench", *arguments])


def test_compare_prints_the_table_of_operators(run: Callable[..., Any], tmp_path: Path) -> None:
    before, after = str(tmp_path / "before.json"), str(tmp_path / "after.json")
    shown = run("compare", before, after)
    assert shown.exit_code == 0
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["seed", "1", "2"] in lines
    assert ["rate", "(items/s)", "100", "150", "+50.0%", "better"] in lines
    document = json.loads(run("compare", before, after, "--json").stdout)
    assert document["differences"] == [{"name": "seed", "before": "1", "after": "2"}]
    assert document["changes"][0]["change"] == pytest.approx(0.5)


def test_codec_measures_and_writes(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "new" / "codec.json"
    ran = run("codec", "--data-set", "gauge", "--items", "1,4", "--seconds", "0.01", "--json", str(path))
    assert ran.exit_code == 0, ran.output
    found = {one.name: one for one in read(path).measurements}
    assert found["gauge x4 reference to upb"].value < 1
    assert found["gauge x1 upb"].value > 0
    assert all(one.value > 0 for one in found.values())
    assert "gauge, 4 a request" in ran.stderr


@pytest.mark.parametrize(
    "arguments, words",
    [(("--data-set", "spans"), "there is no spans"), (("--items", "a"), "no list of numbers"), (("--items", "0"), "1 or more")],
)
def test_wrong_options_are_said(run: Callable[..., Any], arguments: tuple[str, str], words: str) -> None:
    ran = run("codec", *arguments)
    assert ran.exit_code == 2
    assert words in " ".join(ran.output.replace("│", " ").split())
