"""What who is on call reads: the templates of deploy/alertmanager, rendered by Alertmanager's own tool."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.alerting import ALERTMANAGER, loaded
from tests.plugins.programs import environment, program

GROUP = {"alertname": "StorageDiskSpaceLow", "severity": "warning", "component": "host", "job": "node"}
COMMON = {
    "summary": "A disk fills up",
    "runbook_url": "https://docs.example/runbooks/StorageDiskSpaceLow.md",
    "dashboard": "https://grafana.example/d/database-health",
}


def alert(number: int, *, resolved: bool = False) -> dict[str, Any]:
    """One of the group, of the host `db-NUMBER`."""
    return {
        "status": "resolved" if resolved else "firing",
        "labels": GROUP | {"instance": f"db-{number}"},
        "annotations": COMMON | {"description": f"{80 + number} % of db-{number}:/var is full (threshold: 80 %)."},
        "startsAt": f"2026-11-28T12:0{number}:00.25Z",
        "endsAt": f"2026-11-28T13:0{number}:00+00:00" if resolved else "0001-01-01T00:00:00Z",
    }


FIRING = {"status": "firing", "alerts": [alert(1, resolved=True), alert(2), alert(3)]}
RESOLVED = {"status": "resolved", "alerts": [alert(1, resolved=True), alert(2, resolved=True)]}
FOREIGN = {
    "status": "firing",
    "alerts": [alert(4) | {"labels": {"alertname": "Foreign", "instance": "db-4"}, "annotations": {}}],
    "groupLabels": {"alertname": "Foreign"}, "commonLabels": {"alertname": "Foreign"}, "commonAnnotations": {},
}  # fmt: skip

ENDS = """\
runbook https://docs.example/runbooks/StorageDiskSpaceLow.md
dashboard https://grafana.example/d/database-health
"""


def rendered(group: dict[str, Any], template: str, folder: Path) -> str:
    """What a receiver is sent for a group of alerts."""
    data = folder / "group.json"
    data.write_text(json.dumps({"groupLabels": GROUP, "commonLabels": GROUP, "commonAnnotations": COMMON} | group))
    command = (
        program("amtool"), "template", "render", f"--template.glob={ALERTMANAGER.parent / 'templates' / '*.tmpl'}",
        f"--template.text={template}", f"--template.data={data}",
    )  # fmt: skip
    ran = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize(
    "group, title, text",
    [
        (
            FIRING,
            "[FIRING 2] warning: StorageDiskSpaceLow of node: A disk fills up",
            """\
since 2026-11-28 12:02:00 UTC: 82 % of db-2:/var is full (threshold: 80 %).
since 2026-11-28 12:03:00 UTC: 83 % of db-3:/var is full (threshold: 80 %).
resolved 2026-11-28 13:01:00 UTC, begun 2026-11-28 12:01:00; while it lasted: 81 % of db-1:/var is full (threshold: 80 %).
"""
            + ENDS,
        ),
        (
            RESOLVED,
            "[RESOLVED] warning: StorageDiskSpaceLow of node: A disk fills up",
            """\
resolved 2026-11-28 13:01:00 UTC, begun 2026-11-28 12:01:00; while it lasted: 81 % of db-1:/var is full (threshold: 80 %).
resolved 2026-11-28 13:02:00 UTC, begun 2026-11-28 12:02:00; while it lasted: 82 % of db-2:/var is full (threshold: 80 %).
"""
            + ENDS,
        ),
        (FOREIGN, "[FIRING 1] Foreign", "since 2026-11-28 12:04:00 UTC: alertname=Foreign instance=db-4\n"),
    ],
    ids=["firing", "resolved", "foreign"],
)
def test_a_group_reads_well(group: dict[str, Any], title: str, text: str, tmp_path: Path) -> None:
    assert rendered(group, '{{ template "observatory.title" . }}', tmp_path) == title
    assert rendered(group, '{{ template "observatory.text" . }}', tmp_path) == text


def test_every_receiver_sends_title_and_text() -> None:
    receivers = {receiver["name"]: str(receiver) for receiver in loaded(ALERTMANAGER)["receivers"]}
    assert receivers.pop("monitoring-only") == str({"name": "monitoring-only"})
    for name, declared in receivers.items():
        for template in ("title", "text"):
            assert f'{{{{ template "observatory.{template}" . }}}}' in declared, name
