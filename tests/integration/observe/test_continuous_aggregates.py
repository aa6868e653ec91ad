"""The lag of rollups that are continuous aggregates, and the sizes of hypertables, on TimescaleDB."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from llm_observatory.settings import Settings
from llm_observatory.storage.connection import connect
from llm_observatory.storage.observe.observation import observe, session
from llm_observatory.tables import ROLLUP_VIEWS

_SPAN = """
INSERT INTO llm_metrics (tenant, timestamp, timestamp_nanos, series_id, metric_name, service_name, value, flags)
VALUES ('default', %s, 0, gen_random_uuid(), 'm', 's', 1, 0)
"""


async def test_a_bucket_that_is_not_materialised_is_late(wasm_database: str) -> None:
    settings = Settings()
    now = datetime.now(UTC)
    hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
    async with session(lambda: connect(wasm_database)) as connection:
        seen = await observe(connection, settings)
        assert seen.failed == {}
        assert seen.rollup_lag == {view.name: 0.0 for view in ROLLUP_VIEWS}
        assert seen.table_sizes is not None
        empty = seen.table_sizes["llm_metrics"]
        await connection.execute(_SPAN, [hour])
        seen = await observe(connection, settings)
        assert seen.failed == {}
        assert seen.rollup_lag is not None
        # Over at hour + 1 h, due after the last hour, which is computed as it is read, and two runs of the policy.
        due = hour + timedelta(hours=2, minutes=20)
        lag = seen.rollup_lag.pop("metric_stats_hourly")
        assert abs(lag - (now - due).total_seconds()) < 120
        assert set(seen.rollup_lag.values()) == {0.0}
        assert seen.table_sizes is not None
        assert seen.table_sizes["llm_metrics"] > empty
        await connection.execute("SET statement_timeout = 0")
        await connection.execute(
            b"CALL refresh_continuous_aggregate('metric_stats_hourly', %s::timestamptz, %s::timestamptz)",
            [hour - timedelta(hours=1), hour + timedelta(hours=1)],
        )
        seen = await observe(connection, settings)
    assert seen.rollup_lag == {view.name: 0.0 for view in ROLLUP_VIEWS}
