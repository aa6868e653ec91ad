"""The programs and variables of docs/otlp.md, which README.md has too, send what they say they send."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugins.sdk_clients import NODE, ROOT, node
from tests.plugins.service import Service

PAGE = (ROOT / "docs/otlp.md").read_text(encoding="utf-8")
SECTION = PAGE.split("\n## Pointing a client here\n")[1].split("\n## ")[0]
PACKAGES = {
    "python": {"grpc": ".proto.grpc.", "http/protobuf": ".proto.http."},
    "js": {"grpc": "-otlp-grpc", "http/protobuf": "-otlp-proto", "http/json": "-otlp-http"},
}
"""How the page says that another exporter is named."""


def blocks(language: str) -> list[str]:
    """The code of the section in that language."""
    return re.findall(rf"```{language}[^\n]*\n(.*?)```", SECTION, flags=re.DOTALL)


def variables(block: str, service: Service) -> dict[str, str]:
    """What a block exports, at the ports of the service."""
    found = dict(re.findall(r"^export (\w+)=(\S+)", block, flags=re.MULTILINE))
    ports = {":4317": f":{service.grpc_port}", ":4318": f":{service.http_port}"}
    endpoint = found["OTEL_EXPORTER_OTLP_ENDPOINT"]
    return {**found, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint[:-5] + ports[endpoint[-5:]]}


def spans(service: Service, name: str) -> int:
    [(count,)] = service.query("SELECT count(*) FROM llm_traces WHERE service_name = %s AND span_name = 'hello'", name)
    return int(count)


@pytest.mark.parametrize("way", [0, 1], ids=["gRPC", "HTTP"])
@pytest.mark.parametrize("language,name", [("python", "from-python"), ("js", "from-node")])
def test_the_program_sends_its_span(shared_service: Service, language: str, name: str, way: int) -> None:
    [program] = blocks(language)
    chosen = variables(blocks("sh")[way], shared_service)
    names = PACKAGES[language]
    [written] = (package for package in names.values() if package in program)
    program = program.replace(written, names[chosen["OTEL_EXPORTER_OTLP_PROTOCOL"]])
    run: list[str | Path] = [sys.executable, "-c", program]
    if language == "js":
        run = [node(), "--input-type=module", "-e", program]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")} | chosen
    before = spans(shared_service, name)
    subprocess.run(run, cwd=NODE, env=environment, check=True, timeout=60, stdin=subprocess.DEVNULL)
    assert spans(shared_service, name) == before + 1
