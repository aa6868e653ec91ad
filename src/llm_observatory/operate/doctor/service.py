"""The running service, as its sidecar tells of it."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any

from llm_observatory.settings import Settings

TIMEOUT_SECONDS = 5.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what LISTEN_HOST may be, not what is listened on


@dataclass(frozen=True, slots=True)
class Service:
    """What GET /health answered, and how fast; `error` where nothing came that could be read."""

    place: str
    health: dict[str, Any] | None = None
    seconds: float | None = None
    error: str = ""


def ask(settings: Settings) -> Service:
    """Ask the sidecar of this machine."""
    host = _EVERYWHERE.get(settings.listen_host, settings.listen_host)
    place = f"http://{f'[{host}]' if ':' in host else host}:{settings.health_check_port}/health"
    if not settings.health_check_port:
        return Service(place, error="HEALTH_CHECK_PORT is 0: where it listens is not known")
    connection = http.client.HTTPConnection(host, settings.health_check_port, timeout=TIMEOUT_SECONDS)
    began = time.perf_counter()
    try:
        connection.request("GET", "/health")
        health = json.loads(connection.getresponse().read())
    except ConnectionRefusedError:
        return Service(place, error="nothing listens there")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Service(place, error=f"no answer that can be read: {type(error).__name__} {error}")
    finally:
        connection.close()
    if not isinstance(health, dict) or not {"status", "pool_stats", "database"} <= health.keys():
        return Service(place, error="what listens there is not this service")
    return Service(place, health, time.perf_counter() - began)
