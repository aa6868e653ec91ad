"""The alerts of deploy/prometheus as data, and a real Prometheus and Alertmanager that run them."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import yaml

from tests.plugins.programs import UNPACKED, environment, program
from tests.plugins.service import free_port, wait_for

DEPLOY = Path(__file__).parents[2] / "deploy"
PROMETHEUS = DEPLOY / "prometheus" / "prometheus.yml"
ALERTMANAGER = DEPLOY / "alertmanager" / "alertmanager.yml"
RULES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))

START_SECONDS = 30

TEMPLATES = "/usr/share/prometheus/alertmanager"
"""Where Debian's Alertmanager has its built-in templates; upstream's has them inside."""


def loaded(path: Path) -> Any:
    """What a YAML file holds."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    """Every rule, recording ones too."""
    return [rule for path in RULES for group in loaded(path)["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """Every alert; one name may stand for several severities."""
    return [rule for rule in rules() if "alert" in rule]


def hurried_rules(folder: Path, pause: str) -> None:
    """The real rule files, in `folder`, with every `for` and interval cut to `pause`; the rest is as it is."""
    folder.mkdir()
    for path in RULES:
        document = loaded(path)
        for group in document["groups"]:
            group["interval"] = pause
            group["rules"] = [rule | ({"for": pause} if "for" in rule else {}) for rule in group["rules"]]
        (folder / path.name).write_text(yaml.safe_dump(document), encoding="utf-8")


class Webhook:
    """Takes what Alertmanager sends: pairs of the receiver's name, which is the path, and an alert."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                received.extend((self.path.strip("/"), alert) for alert in body["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                """Not to the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def receivers(self, alertname: str, status: str) -> set[str]:
        """Who was told that this alert is `firing` or `resolved`."""
        return {
            receiver
            for receiver, alert in list(self.received)
            if alert["labels"]["alertname"] == alertname and alert["status"] == status
        }

    def url(self, receiver: str) -> str:
        """Where it listens for `receiver`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{receiver}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def hurried_routes(webhook: Webhook, pause: str) -> dict[str, Any]:
    """The real routes and inhibitions; each receiver is the webhook under its own name, and groups wait for `pause` only."""
    document: dict[str, Any] = loaded(ALERTMANAGER)
    document.pop("templates")
    document["global"] = {"resolve_timeout": "1m"}
    document["route"] |= {"group_wait": pause, "group_interval": pause}
    names = [receiver["name"] for receiver in document["receivers"]]
    document["receivers"] = [{"name": name, "webhook_configs": [{"url": webhook.url(name)}]} for name in names]
    return document


@contextmanager
def alertmanager(folder: Path, document: dict[str, Any]) -> Iterator[str]:
    """A real one on a free loopback port; its address."""
    port, config = free_port(), folder / "alertmanager.yml"
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    command = [
        _with_templates(folder), f"--config.file={config}", f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with _running(command, folder / "alertmanager.log", f"http://127.0.0.1:{port}/-/ready"):
        yield f"127.0.0.1:{port}"


def _with_templates(folder: Path) -> Path:
    """The program; where it is unpacked but not installed, a copy that looks for its templates where it is started."""
    found = program("prometheus-alertmanager")
    if Path(TEMPLATES).is_dir():
        return found
    copy = folder / found.name
    here = ("./" * len(TEMPLATES))[: len(TEMPLATES)].encode()
    copy.write_bytes(found.read_bytes().replace(TEMPLATES.encode(), here))
    copy.chmod(0o755)
    for template in (UNPACKED / TEMPLATES.lstrip("/")).glob("*.tmpl"):
        shutil.copy(template, folder)
    return copy


@contextmanager
def prometheus(folder: Path, target: str, to: str, pause: str) -> Iterator[str]:
    """A real one that scrapes the service at `target` and sends alerts to `to`, by the real files, hurried; its address."""
    document = loaded(PROMETHEUS)
    document["global"] |= {"scrape_interval": pause, "scrape_timeout": pause, "evaluation_interval": pause}
    targets = folder / "targets"
    targets.mkdir()
    for path in (PROMETHEUS.parent / "targets").glob("*.yml"):
        given = {"llm-observatory-storage": target, "alertmanager": to}.get(path.stem)
        (targets / path.name).write_text(yaml.safe_dump([{"targets": [given]}] if given else []), encoding="utf-8")
    port, config = free_port(), folder / "prometheus.yml"
    document["scrape_configs"] = [one for one in document["scrape_configs"] if "file_sd_configs" in one]
    for one in document["scrape_configs"]:
        one.pop("scrape_interval", None), one.pop("scrape_timeout", None)
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    hurried_rules(folder / "rules", pause)
    command = [
        program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with _running(command, folder / "prometheus.log", f"http://127.0.0.1:{port}/-/ready"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(command: list[Any], log: Path, ready: str) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=log.parent, env=environment(), stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
    try:
        wait_for(lambda: process.poll() is not None or _answers(ready), START_SECONDS, f"{log.stem} is ready")
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        yield
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False
