"""What follows from what is known: ready, healthy, degraded, unhealthy."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from llm_observatory import codec
from llm_observatory.app.health import Health, Part, Reading
from llm_observatory.storage.maintenance_mode import MaintenanceMode
from llm_observatory.storage.pool import PoolStats


def up() -> Health:
    health = Health(max_connections=20, starting=None, refusal=None)
    health.postgres.succeeded(2.345)
    return health


def test_a_new_process_is_not_ready_and_says_why() -> None:
    health = Health()
    assert not health.ready
    assert health.status == "unhealthy"
    assert health.reasons[0].startswith("starting: ")


def test_ready_once_the_start_is_over_and_the_database_answers() -> None:
    assert up().ready
    assert up().reasons == []
    assert up().status == "healthy"


def test_a_database_that_refuses_a_good_row() -> None:
    health = up()
    health.refusal = "permission denied"
    assert health.reasons == ["write check: permission denied"]
    assert health.status == "unhealthy"


def test_draining_is_not_ready_and_not_ill() -> None:
    health = up()
    health.draining = True
    assert health.reasons == ["draining: the process is shutting down"]
    assert health.status == "healthy"


def test_a_lost_database() -> None:
    health = up()
    health.postgres.failed("no route")
    assert health.reasons == ["database: no route"]
    assert health.status == "unhealthy"
    assert health.as_dict()["database"]["postgres"] == {"status": "unhealthy", "latency_ms": None, "error": "no route"}


def test_a_fault_of_the_server_or_the_schema() -> None:
    health = up()
    health.faults = ("fsync is off",)
    assert health.reasons == ["fsync is off"]
    assert health.status == "unhealthy"


def test_redis_is_optional() -> None:
    health = up()
    health.redis = Part()
    assert health.ready
    assert health.as_dict()["status"] == "degraded"
    health.redis.succeeded(1.0)
    assert health.as_dict()["status"] == "healthy"


def test_a_crowded_pool_degrades() -> None:
    health = up()
    health.pool = PoolStats(size=20, active=15, idle=5, max_connections=20)
    assert health.as_dict()["status"] == "healthy"
    health.pool = PoolStats(size=20, active=16, idle=4, max_connections=20)
    assert health.as_dict()["status"] == "degraded"
    assert health.ready


def test_the_body_has_the_manuals_fields() -> None:
    health = up()
    health.redis = Part()
    health.redis.succeeded(1.111)
    health.pool = PoolStats(size=85, active=23, idle=62, max_connections=100)
    body = health.as_dict()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body.pop("timestamp"))
    assert body == {
        "status": "healthy",
        "database": {
            "postgres": {"status": "healthy", "latency_ms": 2.35},
            "redis": {"status": "healthy", "latency_ms": 1.11},
        },
        "pool_stats": {
            "size": 85,
            "active": 23,
            "idle": 62,
            "max_connections": 100,
            "utilization_percent": 23.0,
            "near_capacity": False,
        },
        "codec": codec.chosen().name,
    }


def test_without_a_pool_its_numbers_are_zero() -> None:
    assert up().as_dict()["pool_stats"]["size"] == 0
    assert up().as_dict()["pool_stats"]["max_connections"] == 20


def answering() -> Health:
    health = Health(ingests=False, reading=Reading())
    health.reading.postgres.succeeded(1.0)  # type: ignore[union-attr]
    return health


def test_a_process_that_only_answers_is_ready_when_it_can() -> None:
    health = answering()
    assert (health.ready, health.status, health.query_reasons) == (True, "healthy", [])
    assert health.reading is not None
    health.reading.faults = ("the schema is older",)
    assert (health.reasons, health.status) == (["the schema is older"], "unhealthy")
    health.reading.postgres.failed("no route")
    assert health.reasons[0] == "database of queries: no route"
    assert health.as_dict()["database"]["postgres"]["error"] == "no route"


def test_queries_that_cannot_be_answered_only_degrade_what_takes_records_in() -> None:
    health = up()
    health.reading = Reading(replica=True)
    assert health.ready
    assert health.status == "degraded"
    assert health.as_dict()["query"]["ready"] is False
    health.reading.postgres.succeeded(1.0)
    health.reading.postgres.lag_seconds = 2.5
    assert health.as_dict()["status"] == "healthy"
    assert health.as_dict()["database"]["replica"] == {"status": "healthy", "latency_ms": 1.0, "lag_seconds": 2.5}


def test_draining_answers_no_more() -> None:
    health = answering()
    health.draining = True
    assert health.query_reasons == ["draining: the process is shutting down"]
    assert health.status == "healthy"


def test_maintenance_is_not_ready_and_not_ill() -> None:
    health = up()
    since = datetime(2026, 11, 28, 12, tzinfo=UTC)
    health.maintenance = MaintenanceMode("new disks", since)
    health.reading = Reading()
    health.reading.postgres.succeeded(1.0)
    assert (health.reasons, health.query_reasons) == (["maintenance: new disks"], [])
    assert health.status == "degraded"
    assert health.as_dict()["maintenance"] == {"reason": "new disks", "since": "2026-11-28T12:00:00Z"}


def test_maintenance_hides_no_fault() -> None:
    health = up()
    health.maintenance = MaintenanceMode("new disks", datetime(2026, 11, 28, tzinfo=UTC))
    health.postgres.failed("no route")
    assert health.status == "unhealthy"


def test_maintenance_is_nothing_to_who_only_answers() -> None:
    health = answering()
    health.maintenance = MaintenanceMode("new disks", datetime(2026, 11, 28, tzinfo=UTC))
    assert health.ready
