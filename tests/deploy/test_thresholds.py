"""What doctor calls a warning or a failure is what the alerts call a warning or critical."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import fields
from typing import Literal

import pytest

from llm_observatory.operate.doctor.thresholds import Limit, Thresholds
from llm_observatory.settings import Settings
from tests.plugins.alerting import alerts

ALERTS = {
    "pool": "StoragePoolNearCapacity",
    "replication_lag": "StorageReplicationLag",
    "backup_age_dump": "StorageBackupTooOld",
    "backup_age_physical": "StorageBackupTooOld",
    "backup_size": "StorageBackupShrank",
    "wal_archive": "StorageWalArchiveBehind",
    "disk": "StorageDiskSpaceLow",
    "cache_hit_ratio": "StorageLowCacheHitRatio",
    "rollup_lag": "StorageRollupLag",
    "certificate": "StorageCertificateExpiry",
    "transactions_id_age": "StorageTransactionIdAge",
    "dead_letters": "StorageDeadLetters",
    "ledger_oldest": "StorageLedgerGrowing",
}
"""By threshold, the alert on the same number."""

ALONE = {
    "database_latency", "server_connections", "slow_queries", "partitions_ahead", "retention_overdue", "late_chunks",
    "failed_jobs", "dead_tuples", "invalid_indexes", "unused_indexes", "bloat", "waiting_locks", "long_transactions",
    "idle_in_transaction", "superusers",
}  # fmt: skip
"""What only doctor looks at."""

FAILURE_BY_WARNING = {"backup_age_dump", "backup_age_physical"}
"""An alert that wakes nobody; whoever runs doctor is awake, and without a backup nothing is ok."""

MISSING = "StorageBackupMissing"
"""There is none, which doctor fails by the age of the database at the threshold of a dump."""

BOUND = re.compile(r"([<>])\s*([0-9.]+)(?:\s*\*\s*([0-9.]+))?")
KIND = {"backup_age_dump": "dump", "backup_age_physical": "physical"}


def limit(name: str) -> Limit:
    """The threshold of this name."""
    found = Thresholds()
    return found.ledger_oldest(Settings().ledger_retention) if name == "ledger_oldest" else getattr(found, name)


def bounds(name: str) -> dict[str, set[tuple[str, float]]]:
    """By severity, what the alert of a threshold compares with, and how."""
    found: dict[str, set[tuple[str, float]]] = defaultdict(set)
    for alert in alerts():
        if alert["alert"] != ALERTS[name]:
            continue
        expression = alert["expr"]
        if name in KIND:
            (expression,) = (part for part in expression.split(" or ") if f'kind="{KIND[name]}"' in part)
        sign, number, factor = BOUND.search(expression).groups()  # type: ignore[union-attr]  # an alert without one fails here
        found[alert["labels"]["severity"]].add((sign, float(number) * float(factor or 1)))
    return found


def test_every_threshold_has_an_alert_or_is_doctors_alone() -> None:
    names = {field.name for field in fields(Thresholds)} | {"ledger_oldest"}
    assert set(ALERTS) | ALONE == names
    assert not set(ALERTS) & ALONE


def test_a_missing_backup_is_one_that_a_dump_of_the_first_minute_would_be_too_old() -> None:
    (alert,) = (alert for alert in alerts() if alert["alert"] == MISSING)
    sign, number, factor = BOUND.search(alert["expr"]).groups()  # type: ignore[union-attr]  # an alert without one fails here
    assert (alert["labels"]["severity"], sign, float(number) * float(factor)) == (
        "warning",
        ">",
        Thresholds().backup_age_dump.fail,
    )


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_thresholds_are_those_of_the_alert(name: str) -> None:
    declared = limit(name)
    sign = "<" if declared.below else ">"
    severities: dict[Literal["warn", "fail"], str] = {"warn": "warning", "fail": "critical"}
    if name in FAILURE_BY_WARNING:
        severities = {"fail": "warning"}
    alerted = bounds(name)
    assert alerted.keys() & {"warning", "critical"}, "the alert is not there"
    for status, severity in severities.items():
        bound = getattr(declared, status)
        assert alerted.get(severity, set()) == (set() if bound is None else {(sign, bound)}), (status, severity)
