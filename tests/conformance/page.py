"""The page `docs/otlp-conformance.md`, rendered from the manifest, the record of a run and the declared deviations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.conformance import record, verdict
from tests.conformance.manifest import REQUIREMENTS, Requirement
from tests.conformance.record import Finding, Run

FILE = Path(__file__).parents[2] / "docs" / "otlp-conformance.md"

_INTRODUCTION = """\
# OTLP conformance

What is asked of an OTLP receiver, and what this one does. Each line is measured on the wire by `tests/conformance`: raw
HTTP/2 frames and raw HTTP/1.1 where the requirement asks for it, stock clients elsewhere.

- **MUST**, **SHOULD**: words of the specification that is named as the source. **RECOMMENDED**: what it leaves open or says in
  weaker words; a receiver that does otherwise breaks no rule.
- **pass**: the requirement holds. **deviation**: it does not, for the reason below the tables. **not applicable**: there is
  nothing to measure.
- *seen* is what the tests saw: the status that came back, for example.
"""

_OTHERS = """\
## Measure another receiver

```sh (not run: it is about another receiver)
.venv/bin/python -m pytest tests/conformance --target HOST:4317 --http HOST:4318 --conformance-json found.json
```

What can only be seen from inside (rows, a database that is away, signals) is then reported as not applicable. A MUST that is
not met fails the run; other levels are reported as *not met*. `--limit BYTES` names a request limit other than 64 MiB.

## How this page is made

It is written by `python -m tests.conformance --write`, from [otlp-conformance.json](reference/otlp-conformance.json), which the
same command writes. Every run of the tests compares what it sees with it.
"""


def render(run: Run) -> str:
    """The whole page."""
    lines = [_INTRODUCTION, f"Last written on {run.date}.", ""]
    for transport in ("gRPC", "HTTP"):
        lines += [f"## OTLP/{transport}", "", "| id | level | requirement | result | seen |", "|---|---|---|---|---|"]
        lines += [_row(requirement, run) for requirement in REQUIREMENTS if requirement.transport == transport]
        lines += [""]
    return "\n".join([*lines, "## Deviations", "", *_deviations(run), "", "## Not applicable", "", *_apart(run), "", _OTHERS])


def write(run: Run) -> None:
    """Write the file."""
    FILE.write_text(render(run), encoding="utf-8")


def _row(requirement: Requirement, run: Run) -> str:
    findings = record.of(requirement.key, run.findings)
    seen = "; ".join(dict.fromkeys(line for finding in findings for line in finding.seen)) or "-"
    cells = (requirement.id, requirement.level, f"{requirement.sentence} *{requirement.source}*", _result(findings), seen)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _result(findings: Sequence[Finding]) -> str:
    result = verdict.worst(finding.result for finding in findings)
    return result if result in ("pass", "not applicable") else f"**{result}**"


def _names(findings: Sequence[Finding]) -> str:
    return ", ".join(dict.fromkeys(f"{key[0]} {key[1]}" for finding in findings for key in finding.requirements))


def _with_reasons(run: Run, result: verdict.Result) -> Iterator[tuple[str, list[Finding]]]:
    findings = [finding for finding in run.findings if finding.result == result]
    for reason in dict.fromkeys(finding.reason for finding in findings):
        yield reason, [finding for finding in findings if finding.reason == reason]


def _deviations(run: Run) -> Iterator[str]:
    for reason, findings in _with_reasons(run, "deviation"):
        seen = "; ".join(line for finding in findings for line in finding.seen)
        yield f"- **{_names(findings)}** ({seen}): {reason}"


def _apart(run: Run) -> Iterator[str]:
    for reason, findings in _with_reasons(run, "not applicable"):
        yield f"- **{_names(findings)}**: {reason}"
