"""`python -m dashboards.pictures`: draw the dashboards, from a running Prometheus and the service's database, to PNG files."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dashboards.grafana import Prometheus, Shown, chosen
from dashboards.pictures.drawing import Answers
from dashboards.pictures.page import save
from dashboards.postgres import Postgres
from dashboards.render import FOLDER

IMAGES = FOLDER.parent / "docs" / "images"
POINTS = 90


def picture(dashboard: Mapping[str, Any], shown: Shown, prometheus: Prometheus, postgres: Postgres, file: Path) -> None:
    """Draw one dashboard as it is opened."""
    shown = replace(
        shown, variables={**shown.variables, **chosen(dashboard, lambda statement: postgres.options(shown, statement))}
    )

    def ask(panel: Mapping[str, Any]) -> Answers:
        of_prometheus = panel["datasource"]["type"] == "prometheus"
        return [(prometheus if of_prometheus else postgres).ask(target, shown) for target in panel["targets"]]

    save(dashboard, shown, ask, file)


def main(argv: list[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.pictures", description=__doc__)
    parser.add_argument("--prometheus", required=True, metavar="URL", help="a Prometheus that scrapes the service")
    parser.add_argument("--dsn", required=True, metavar="URL", help="the database: `llm-observatory dsn`")
    parser.add_argument("--minutes", type=float, default=15, help="how far back they look (%(default)s)")
    parser.add_argument("--usage-hours", type=float, default=6, help="how far back LLM Usage looks (%(default)s)")
    parser.add_argument("--scrape", type=float, default=15, help="seconds between scrapes (%(default)s)")
    parser.add_argument("--into", type=Path, default=IMAGES, help="the folder (%(default)s)")
    parser.add_argument("--only", default="", help="the uid of one dashboard")
    given = parser.parse_args(argv)
    postgres, now = Postgres(given.dsn), datetime.now(UTC)
    for file in sorted(FOLDER.glob(f"{given.only or '*'}.json")):
        back = timedelta(hours=given.usage_hours) if file.stem == "llm-usage" else timedelta(minutes=given.minutes)
        step = max(back / POINTS, timedelta(seconds=given.scrape))
        shown = Shown(now - back, now, step, timedelta(seconds=given.scrape), {"tenant": "default"})
        picture(
            json.loads(file.read_text(encoding="utf-8")),
            shown,
            Prometheus(given.prometheus),
            postgres,
            given.into / f"{file.stem}.png",
        )
    postgres.close()


if __name__ == "__main__":
    main()
