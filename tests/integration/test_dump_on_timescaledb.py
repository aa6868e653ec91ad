"""A dump of TimescaleDB and back: chunks, compressed or not, continuous aggregates, jobs; and ingest goes on there."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from llm_observatory.app.cli import cli
from llm_observatory.pipeline.signal import LOGS, METRICS, TRACES
from llm_observatory.tables import AGGREGATE_VIEWS
from tests.integration.test_promises import payload_of
from tests.plugins.content import content, traces
from tests.plugins.database import database_url, drop, execute, new_name
from tests.plugins.load import Client, Load
from tests.plugins.pgbackrest import ask
from tests.plugins.service import Service, wait_for

pytestmark = [
    pytest.mark.timescaledb("chunks, continuous aggregates and jobs are its own"),
    pytest.mark.timeout(180),
]

CHUNKS = """
SELECT hypertable_name, range_start, is_compressed FROM timescaledb_information.chunks
WHERE hypertable_schema = 'public' ORDER BY 1, 2
"""
AGGREGATES = (
    "SELECT view_name, materialized_only, compression_enabled FROM timescaledb_information.continuous_aggregates ORDER BY 1"
)
JOBS = """
SELECT coalesce(hypertable_name, ''), proc_name, schedule_interval, scheduled, config - 'mat_hypertable_id' - 'hypertable_id'
FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY 1, 2
"""
COLUMNSTORE = (
    "SELECT hypertable::text, segmentby, orderby FROM timescaledb_information.hypertable_columnstore_settings ORDER BY 1"
)
STATE = {"chunks": CHUNKS, "aggregates": AGGREGATES, "jobs": JOBS, "columnstore": COLUMNSTORE}


def run(service: Service, *words: str) -> str:
    """What a command on the service's database says."""
    ran = CliRunner().invoke(cli, words, env={**service.environment, "BACKUP_DIR": str(service.folder / "dumps")})
    assert ran.exit_code == 0, ran.stderr
    return ran.stdout


def state(url: str) -> dict[str, list[tuple[object, ...]]]:
    """What TimescaleDB knows of the database beside its rows."""
    return {name: ask(url, statement) for name, statement in STATE.items()}


@pytest.fixture
def restored(service: Service, server: str) -> Iterator[str]:
    """The URL of a database that is not there yet, on the server of the service's."""
    name = new_name("restored")
    yield database_url(server, name)
    drop(server, name)


def test_dumped_during_ingest_restored_and_gone_on_with(service: Service, restored: str, server: str) -> None:
    client = Client(service.endpoint)
    client.export(payload_of("shop", days_ago=10, spans=50))
    client.close()
    source, target = service.environment["DATABASE_URL"], restored.partition("?")[0].rpartition("/")[2]
    ask(source, "SELECT compress_chunk(c, true) FROM show_chunks('llm_traces', INTERVAL '9 days') c")
    with Load(service.endpoint, threads=3, signals=(TRACES, METRICS, LOGS)) as load:
        wait_for(lambda: all(len(ids) >= 5 for ids in load.acknowledged_of.values()), 30, "records come in")
        before = set(load.acknowledged)
        dumped = json.loads(run(service, "backup", "dump", "--json"))
        during = len(load.acknowledged)
    assert during > len(before), "nothing came in meanwhile"
    assert not load.statuses.keys() - {"OK"}
    file = str(service.folder / "dumps" / dumped["label"])
    run(service, "restore", file, "--target", target)
    assert before <= traces(restored) <= traces(source)

    assert service.terminate() == 0, "what is compared must not change any more"
    execute(source, "SELECT _timescaledb_functions.stop_background_workers()")
    expected, known = content(source), state(source)
    file = str(service.folder / "dumps" / json.loads(run(service, "backup", "dump", "--json"))["label"])
    run(service, "restore", file, "--target", target, "--drop-existing", "--yes")
    execute(restored, "SELECT _timescaledb_functions.stop_background_workers()")
    assert content(restored) == expected
    assert state(restored) == known
    assert any(compressed for _, _, compressed in known["chunks"])
    assert len(known["aggregates"]) == len(AGGREGATE_VIEWS)
    execute(restored, "SELECT _timescaledb_functions.start_background_workers()")

    service.environment["DATABASE_URL"] = restored
    service.start()
    client = Client(service.endpoint)
    client.export(payload_of("shop", days_ago=10, spans=5))  # into the compressed chunk
    client.export(payload_of("shop", spans=5))
    client.close()
    rows = "SELECT count(*) FROM llm_traces"
    assert ask(restored, rows) == [(int(str(ask(source, rows)[0][0])) + 10,)]
    ask(restored, "SELECT compress_chunk(c) FROM show_chunks('llm_traces', INTERVAL '9 days') c")
    assert ask(restored, rows) == [(int(str(ask(source, rows)[0][0])) + 10,)]
    assert "what this version expects" in run(service, "migrate", "verify")
    assert service.terminate() == 0
