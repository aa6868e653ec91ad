"""The receiver of a run, and what a test says that it saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.conformance.pinger import Pinger
from tests.conformance.plugin import FINDING, is_other, keys_of
from tests.conformance.receiver import Client, Receiver, Seen, address
from tests.plugins.database import create, drop, new_name
from tests.plugins.service import Service

NOWHERE = "postgresql://nobody:canary@db.invalid:1/nothing"
"""A database that cannot be reached. Its name, user and password are to stay with us."""

StartService = Callable[..., Service]

SHORT = {"OTLP_HTTP_HEADER_TIMEOUT": "2s", "OTLP_HTTP_IDLE_TIMEOUT": "4s", "OTLP_READ_TIMEOUT": "3s"}
"""Nobody waits a minute for a connection to be closed."""


@contextmanager
def own_service(**settings: str) -> Iterator[Service]:
    """A service that is not started, ended with the block."""
    with TemporaryDirectory(prefix="observatory-") as name:
        Path(name).chmod(0o711)
        service = Service(Path(name), **settings)
        try:
            yield service
        finally:
            service.stop()


def receiver_of(service: Service) -> Receiver:
    """A started service as a receiver."""
    return Receiver(("127.0.0.1", service.grpc_port), ("127.0.0.1", service.http_port), 64 * 2**20, service)


@pytest.fixture(scope="session")
def receiver(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    """The receiver under test. Tests that need another one of ours start it with `own_receiver`."""
    config = request.config
    if is_other(config):
        grpc, http = config.getoption("target"), config.getoption("http")
        yield Receiver(grpc and address(grpc), http and address(http), config.getoption("limit"))
        return
    server, name = request.getfixturevalue("server"), new_name("conformance")
    url = create(server, name, request.getfixturevalue("template"))
    try:
        with own_service(DATABASE_URL=url, **SHORT) as service:
            yield receiver_of(service.start())
    finally:
        drop(server, name)


@pytest.fixture(scope="session")
def pinger(receiver: Receiver) -> Pinger:
    """Pings from the first test of gRPC on."""
    made = Pinger(receiver)
    made.start()
    return made


@pytest.fixture(autouse=True)
def _applies(request: pytest.FixtureRequest) -> None:
    """Say what cannot be measured here, and why."""
    if not is_other(request.config):
        _begin_pinging(request)
        return
    if (marker := request.node.get_closest_marker("own_process")) is not None:
        pytest.skip(f"seen only in a process of our own: {marker.args[0]}")
    for transport, option in (("G", "target"), ("H", "http")):
        about = any(key[0].startswith(transport) for key in keys_of(request.node))
        if about and not request.config.getoption(option):
            pytest.skip(f"no --{option} was given")
    _begin_pinging(request)


def _begin_pinging(request: pytest.FixtureRequest) -> None:
    if "receiver" in request.fixturenames and any(key[0].startswith("G") for key in keys_of(request.node)):
        request.getfixturevalue("pinger")


@pytest.fixture
def seen(request: pytest.FixtureRequest) -> Seen:
    """Say what was seen."""
    append: Seen = request.node.stash[FINDING].seen.append
    return append


@pytest.fixture
def client(receiver: Receiver) -> Iterator[Client]:
    """A stock gRPC client."""
    made = receiver.client()
    yield made
    made.channel.close()


@pytest.fixture
def start_service() -> Iterator[StartService]:
    """Starts services of ours with other settings, and without waiting until they are ready."""
    with ExitStack() as stack:

        def start(**settings: str) -> Service:
            return stack.enter_context(own_service(**{"DATABASE_URL": NOWHERE, **settings})).start(wait=False)

        yield start
