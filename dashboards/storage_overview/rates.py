"""What the expressions of its panels have in common."""

from __future__ import annotations

from dashboards.queries import PromQL

WRITER = 'writer_type=~"$writer_type"'
RATE = "[$__rate_interval]"
OVER_TIME_RANGE = "[$time_range]"


def quantiles(metric: str, labels: str = "", window: str = RATE, *, by: str = "") -> list[PromQL]:
    """p50, p95 and p99 of a histogram."""
    rate = f"sum by ({', '.join(filter(None, ('le', by)))}) (rate({metric}_bucket{{{labels}}}{window}))"
    return [PromQL(f"histogram_quantile({part / 100}, {rate})", f"p{part}") for part in (50, 95, 99)]
