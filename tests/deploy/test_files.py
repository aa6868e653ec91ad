"""What `deploy/` and the Dockerfile say, by the tools that know: each file is whole, and names nothing that is not there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import compose_spec
import kubernetes_validate  # type: ignore[import-untyped]  # ships no stubs
import pytest
import yaml

from llm_observatory.app.memory import hostile_ceiling_bytes
from llm_observatory.quantity import parse_duration, parse_size
from llm_observatory.settings import Settings, read
from tests.plugins.programs import environment, program

TOP = Path(__file__).parents[2]
DEPLOY = TOP / "deploy"
SETTINGS = {name.upper() for name in Settings.model_fields}
UNITS = sorted(path for path in (DEPLOY / "systemd").iterdir() if path.suffix in {".service", ".timer"})


def run(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=60, check=False)


def mapping(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


@pytest.fixture(scope="module")
def stack() -> dict[str, Any]:
    return mapping(DEPLOY / "compose/compose.yaml")


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What `kubectl apply -k` of the example would make, by kind."""
    folder = tmp_path_factory.mktemp("kubernetes") / "kubernetes"
    shutil.copytree(DEPLOY / "kubernetes", folder)
    example = folder / "overlays/example"
    shutil.copy(example / "DATABASE_URL.example", example / "DATABASE_URL")
    # The kustomize of Debian 12 is of 2019 and calls it so; newer ones know both.
    overlay = example / "kustomization.yaml"
    modern, old = "resources:\n  - ../../base\n", "bases:\n  - ../../base\nresources:\n"
    assert modern in overlay.read_text()
    overlay.write_text(overlay.read_text().replace(modern, old))
    made = run(program("kubectl"), "kustomize", example)
    assert made.returncode == 0, made.stderr
    return {one["kind"]: one for one in yaml.safe_load_all(made.stdout)}


def test_compose_is_valid(stack: dict[str, Any]) -> None:
    compose_spec.PyCompose.from_yaml((DEPLOY / "compose/compose.yaml").read_text()).validate()
    assert not list(_published(stack, but="127.0.0.1:")), "a port is published beyond loopback"


def test_compose_mounts_what_is_there(stack: dict[str, Any]) -> None:
    for source in _mounted(stack):
        assert (DEPLOY / "compose" / source).exists(), source


def test_what_compose_asks_for_is_in_the_example(stack: dict[str, Any]) -> None:
    asked = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose/compose.yaml").read_text()))
    given = set(re.findall(r"^(\w+)=$", (DEPLOY / "compose/.env.example").read_text(), re.MULTILINE))
    assert asked == given


def test_the_service_of_compose_has_settings_that_exist(stack: dict[str, Any]) -> None:
    service = stack["services"]["observatory"]
    assert service["environment"].keys() <= SETTINGS
    grace = parse_duration(service["stop_grace_period"])
    assert grace > Settings().shutdown_grace


def test_the_collector_keeps_what_it_cannot_deliver() -> None:
    exporter = mapping(DEPLOY / "compose/collector.yaml")["exporters"]["otlp"]
    assert exporter["compression"] == "gzip"
    assert exporter["retry_on_failure"]["max_elapsed_time"] == 0
    assert exporter["sending_queue"]["storage"] == "file_storage"


def test_kubernetes_resources_are_valid(resources: dict[str, dict[str, Any]]) -> None:
    for resource in resources.values():
        kubernetes_validate.validate(resource, kubernetes_validate.latest_version(), strict=True)
    assert {"Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy"} <= resources.keys()


def test_kubernetes_names_settings_and_ports_that_exist(resources: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    given = resources["ConfigMap"]["data"]
    settings = read({**given, "DATABASE_URL": "postgresql://h/d"}, tmp_path / "none").settings
    [container] = resources["Deployment"]["spec"]["template"]["spec"]["containers"]
    ports = {settings.otlp_grpc_port, settings.otlp_http_port, settings.query_port, settings.health_check_port}
    assert {port["containerPort"] for port in container["ports"]} == ports
    assert {port["port"] for port in resources["Service"]["spec"]["ports"]} == ports
    assert parse_size(container["resources"]["limits"]["memory"].replace("i", "iB")) > hostile_ceiling_bytes(settings)


def test_kubernetes_waits_longer_than_the_service(resources: dict[str, dict[str, Any]]) -> None:
    pod = resources["Deployment"]["spec"]["template"]["spec"]
    [_, pause] = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    grace = parse_duration(resources["ConfigMap"]["data"]["SHUTDOWN_GRACE"]).total_seconds()
    assert pod["terminationGracePeriodSeconds"] > int(pause) + grace


def test_a_budget_and_an_update_leave_replicas(resources: dict[str, dict[str, Any]]) -> None:
    replicas = resources["Deployment"]["spec"]["replicas"]
    assert resources["PodDisruptionBudget"]["spec"]["minAvailable"] < replicas
    assert resources["HorizontalPodAutoscaler"]["spec"]["minReplicas"] == replicas


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file system as the units expect it: what they start is there."""
    root = tmp_path_factory.mktemp("root")
    home = root / "opt/llm-observatory/storage"
    for unit in UNITS:
        for name in re.findall(r"/opt/llm-observatory/storage(/\S+)", unit.read_text()):
            made = home / name[1:]
            made.parent.mkdir(parents=True, exist_ok=True)
            made.write_text("#!/bin/sh\n")
            made.chmod(0o755)
    units = root / "etc/systemd/system"
    units.mkdir(parents=True)
    for unit in UNITS:
        shutil.copy(unit, units)
    return root


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_are_valid(unit: Path, root: Path) -> None:
    text = (root / "etc/systemd/system" / unit.name).read_text().replace("/opt/", f"{root}/opt/")
    copy = root / unit.name.replace("@.", "@1.")
    copy.write_text(text)
    verified = run(program("systemd-analyze"), "verify", "--man=no", copy)
    # Units of the machine it runs on, which may have none, are not ours to judge.
    assert [line for line in verified.stderr.splitlines() if unit.stem.rstrip("@") in line] == []


def test_units_stop_later_than_the_service_and_not_for_wrong_settings() -> None:
    for name in ("llm-observatory-storage.service", "llm-observatory-storage@.service"):
        unit = dict(re.findall(r"^(\w+)=(.*)$", (DEPLOY / "systemd" / name).read_text(), re.MULTILINE))
        assert float(unit["TimeoutStopSec"]) > Settings().shutdown_grace.total_seconds()
        assert unit["RestartPreventExitStatus"] == "2"


def test_the_example_of_systemd_is_made_of_settings() -> None:
    names = re.findall(r"^(\w+)=", (DEPLOY / "systemd/storage.env.example").read_text(), re.MULTILINE)
    assert set(names) <= SETTINGS


def test_the_image_is_built_from_what_there_is() -> None:
    text = (TOP / "Dockerfile").read_text()
    judged = run(Path(sys.executable).parent / "hadolint", TOP / "Dockerfile")
    assert (judged.returncode, judged.stdout) == (0, "")
    [uv] = re.findall(r"astral-sh/uv:([\d.]+)", text)
    assert f"UV_VERSION := {uv}\n" in (TOP / "Makefile").read_text()
    [maturin] = re.findall(r"maturin==([\d.]+)", text)
    assert f'name = "maturin"\nversion = "{maturin}"' in (TOP / "uv.lock").read_text()
    kept = {line[1:] for line in (TOP / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert all((TOP / name).exists() for name in kept)
    assert {"LICENSE", "README.md", "pyproject.toml", "uv.lock", "src", "migrations", "native"} == kept


def _published(stack: dict[str, Any], but: str) -> Iterator[str]:
    for service in stack["services"].values():
        yield from (port for port in service.get("ports", ()) if not port.startswith(but))


def _mounted(stack: dict[str, Any]) -> Iterator[str]:
    for service in stack["services"].values():
        for volume in service.get("volumes", ()):
            source = volume["source"] if isinstance(volume, dict) else volume.partition(":")[0]
            if source.startswith("."):
                yield source


def test_grafana_of_compose_has_all_that_provisioning_asks_for(stack: dict[str, Any]) -> None:
    files = (DEPLOY / "grafana/provisioning").rglob("*.yml")
    asked = {name for file in files for name in re.findall(r"\$\{(\w+)\}", file.read_text())}
    assert asked <= stack["services"]["grafana"]["environment"].keys()


def test_prometheus_of_compose_scrapes_services_that_are_there(stack: dict[str, Any]) -> None:
    targets = {target for file in (DEPLOY / "prometheus/targets").glob("*.yml") for one in yaml.safe_load(file.read_text())
               for target in one["targets"]}  # fmt: skip
    assert {target.partition(":")[0] for target in targets} <= stack["services"].keys()
