"""The dashboards as files, their panels, and a Prometheus that scrapes a service."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from llm_observatory.metrics import REGISTRY
from tests.plugins.programs import environment, program
from tests.plugins.service import Service, free_port, wait_for

FOLDER = Path(__file__).parents[2] / "dashboards"

_SUFFIXES = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_count", "_sum"),
    "gauge": ("",),
    "unknown": ("",),
    "info": ("_info",),
}
_WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}


class Query(NamedTuple):
    """One query of a panel."""

    dashboard: str
    panel: str
    target: dict[str, Any]

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.dashboard}: {self.panel} {self.target['refId']}"


@cache
def dashboards() -> dict[str, dict[str, Any]]:
    """Every file by its uid."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Its panels but the rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries(kind: str) -> list[Query]:
    """All queries for `prometheus` or `postgres`."""
    uid = f"${{{kind}}}"
    return [
        Query(name, panel["title"], target)
        for name, dashboard in dashboards().items()
        for panel in panels(dashboard)
        for target in panel["targets"]
        if target["datasource"]["uid"] == uid
    ]


def names_of_metrics(expr: str) -> set[str]:
    """What series an expression reads. Raises nothing: that it is one, Prometheus says."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\b(?:by|on|ignoring|without|group_left|group_right)\s*\([^)]*\)', " ", expr)
    bare = re.sub(r"\$\w+", " ", bare)
    return {name for name in re.findall(r"\b[a-zA-Z_]\w*\b(?!\s*\()", bare) if name not in _WORDS}


def declared() -> set[str]:
    """Every sample that the service may export."""
    return {family.name + suffix for family in REGISTRY.collect() for suffix in _SUFFIXES[family.type]}


@contextmanager
def scraping(service: Service, folder: Path) -> Iterator[str]:
    """The URL of a Prometheus that has scraped the service once, and does so every second."""
    folder.mkdir()
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\nscrape_configs: [{job_name: llm-observatory-storage, static_configs: [{targets: "
        f"['127.0.0.1:{service.health_port}']}}]}}]\n"
    )
    port = free_port()
    command = [
        str(program("prometheus")), f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=1d",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log, subprocess.Popen(command, env=environment(), stdout=log, stderr=log) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: _scraped(url), 30, f"Prometheus scrapes: {(folder / 'log').read_text()[-2000:]}")
            yield url
        finally:
            process.terminate()
            process.wait(10)


def _scraped(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?query=storage_database_up", timeout=5) as reply:
            return bool(json.load(reply)["data"]["result"])
    except OSError:
        return False
