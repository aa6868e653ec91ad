"""What `query logs` and `tail` have in common, and following records as they come in."""

from __future__ import annotations

import json
from contextlib import suppress

import typer
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber

from llm_observatory.api.v1 import log_query_service_pb2 as logs_pb
from llm_observatory.api.v1.log_query_service_pb2_grpc import LogQueryServiceStub
from llm_observatory.app.cli.query import shown
from llm_observatory.app.cli.query import tables as made
from llm_observatory.app.cli.query.asking import asking
from llm_observatory.app.cli.query.options import conditions, trace_id


def follow(selection: logs_pb.LogSelection, endpoint: str, *, as_json: bool) -> None:
    """Print records as they come in, until Ctrl-C."""
    request = logs_pb.TailLogsRequest(selection=selection)
    console = shown.console()
    # Ctrl-C is how this ends.
    with suppress(KeyboardInterrupt), asking(endpoint) as channel:
        for part in LogQueryServiceStub(channel).TailLogs(request):
            for found in part.logs:
                if as_json:
                    typer.echo(json.dumps(shown.as_json(found), ensure_ascii=False))
                else:
                    console.print(made.log_line(found), soft_wrap=True)
            console.file.flush()


def log_selection(text: str, service: list[str], attr: list[str], level: str, of_trace: str) -> logs_pb.LogSelection:
    """Which records these options mean."""
    names = {name.removeprefix("SEVERITY_NUMBER_").lower(): number for name, number in SeverityNumber.items()}
    if level and level.lower() not in names:
        raise typer.BadParameter(f"{level!r} is none of trace, debug, info, warn, error, fatal", param_hint="--level")
    return logs_pb.LogSelection(
        text=text,
        min_severity=names[level.lower()] if level else SeverityNumber.SEVERITY_NUMBER_UNSPECIFIED,
        service_names=service,
        attributes=conditions(attr),
        trace_id=trace_id(of_trace) if of_trace else b"",
    )
