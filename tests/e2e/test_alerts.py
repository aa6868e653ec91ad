"""The database goes, and who is on call hears of it: the real service, Prometheus and Alertmanager, with our rules and routes.

What is not real is the time: every `for`, interval and wait of the files is cut to a second, by the test, and each receiver
is a webhook. Expressions, labels, routes, inhibitions are those of deploy/.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from llm_observatory.storage.embedded import EmbeddedServer
from tests.plugins.alerting import Webhook, alertmanager, hurried_routes, prometheus
from tests.plugins.service import Service, wait_for

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.postgresql("a server of its own is stopped, which the embedded one is for"),
]

PAUSE = "1s"


@pytest.fixture
def database_server(folder: Path) -> Iterator[tuple[EmbeddedServer, str]]:
    """A server that the service does not look after, so that it stays away until it is started again."""
    server = EmbeddedServer(folder / "database")
    conninfo = server.start()
    yield server, conninfo
    server.stop()


def test_a_lost_database_reaches_the_pager_and_so_does_its_return(
    folder: Path, database_server: tuple[EmbeddedServer, str], new_service: Callable[..., Service]
) -> None:
    server, conninfo = database_server
    service = new_service(DATABASE_URL=conninfo).start()
    with (
        Webhook() as webhook,
        alertmanager(folder, hurried_routes(webhook, PAUSE)) as to,
        prometheus(folder, f"127.0.0.1:{service.health_port}", to, PAUSE) as address,
    ):
        wait_for(lambda: value(address, "storage_database_up") == 1, 30, "Prometheus sees the database")
        assert "StorageDatabaseUnreachable" not in {alert["labels"]["alertname"] for _, alert in webhook.received}

        server.stop()
        wait_for(
            lambda: webhook.receivers("StorageDatabaseUnreachable", "firing") == {"pager", "chat"},
            60,
            "pager and chat are told",
        )
        fired = next(alert for _, alert in webhook.received if alert["labels"]["alertname"] == "StorageDatabaseUnreachable")
        assert fired["labels"].keys() == {"alertname", "severity", "component", "instance", "job"}, "no external labels"
        assert fired["annotations"]["runbook_url"].endswith("/docs/runbooks/StorageDatabaseUnreachable.md")

        assert server.start() == conninfo
        wait_for(
            lambda: webhook.receivers("StorageDatabaseUnreachable", "resolved") == {"pager", "chat"},
            60,
            "they hear that it is back",
        )


def value(address: str, metric: str) -> float | None:
    """What Prometheus knows of a metric now; None: nothing."""
    with urllib.request.urlopen(f"{address}/api/v1/query?{urlencode({'query': metric})}", timeout=5) as reply:
        result = json.load(reply)["data"]["result"]
    return float(result[0]["value"][1]) if result else None
