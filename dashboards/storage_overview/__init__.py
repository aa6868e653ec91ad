"""Storage Overview: is what arrives written, how fast, and what is in the way."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import variables
from dashboards.dashboard import Section
from dashboards.dashboard import dashboard as made_of
from dashboards.storage_overview import answers, in_the_way, writing
from llm_observatory.settings import Settings


def dashboard() -> Dashboard:
    """The dashboard."""
    defaults = Settings.model_fields
    return made_of(
        "storage-overview",
        "Storage Overview",
        "Writes, buffers, errors, what clients were told, and queries of the LLM Observatory storage layer.",
        shows="1h",
        variables=[
            variables.prometheus(),
            variables.time_range(),
            variables.writer_type(),
            variables.repository(),
            variables.constant("batch_size", "BATCH_SIZE", str(defaults["batch_size"].default)),
        ],
        sections=[
            Section("Now", writing.now()),
            Section("Writing", writing.writing()),
            Section("COPY and INSERT", writing.methods()),
            Section("Buffers and flushes", in_the_way.buffers()),
            Section("Errors", in_the_way.errors()),
            Section("What clients were told", answers.clients()),
            Section("Reading, and the process", answers.process()),
        ],
    )
