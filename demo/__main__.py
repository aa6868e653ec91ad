"""`python -m demo`: send LLM telemetry to a running service and show the rows it became."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime, timedelta

from demo import DemoError, provider, report
from demo.dialects import DIALECTS, prepare_environment
from demo.export import check_listening, run_dialect
from demo.rows import Rows, read_back, service_dsn
from demo.watch import Sent

_CLOCK_SLACK = timedelta(minutes=1)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--endpoint", default="127.0.0.1:4317", metavar="HOST:PORT", help="OTLP over gRPC (%(default)s)")
    parser.add_argument("--dsn", metavar="URL", help="the service's database; by default what `llm-observatory dsn` prints")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON, for programs")
    return parser.parse_args(argv)


def send(endpoint: str) -> Sent:
    """Run every dialect against the fake provider. Returns what was acknowledged, which is all."""
    check_listening(endpoint)
    sent = Sent()
    with provider.serve() as base_url:
        for dialect in DIALECTS:
            sent.add(run_dialect(dialect, base_url, endpoint))
    return sent


def _show(rows: Rows, endpoint: str) -> None:
    out = report.console()
    dialects = " and ".join(dialect.name for dialect in DIALECTS)
    out.print(f"{len(rows.spans)} spans ({dialects}), {len(rows.logs)} log records and {len(rows.metrics)} data points:")
    out.print(f"acknowledged by {endpoint} and read back.\n")
    report.print_rows(rows, out)


def main(argv: list[str] | None = None) -> int:
    """Run the demo. Returns the exit status."""
    arguments = _arguments(argv)
    prepare_environment()
    since = datetime.now(UTC) - _CLOCK_SLACK
    try:
        sent = send(arguments.endpoint)
        rows = read_back(arguments.dsn or service_dsn(), sent, since)
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(report.as_json(rows))
    else:
        _show(rows, arguments.endpoint)
    return 0


if __name__ == "__main__":
    sys.exit(main())
