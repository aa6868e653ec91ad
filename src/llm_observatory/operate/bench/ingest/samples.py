"""What a lane did, request by request or transaction by transaction, and the rate and latencies that follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import NamedTuple

SETTLE_SECONDS = 0.5
"""The beginning of a turn that no rate is taken from: connections, caches and groups come up to size in it."""

SETTLE_SHARE = 0.25
"""Of a turn at most."""


class Sample(NamedTuple):
    """A request from when it was sent, or due, to its acknowledgement; or a transaction. Moments of `time.monotonic`."""

    began: float
    ended: float
    items: int


@dataclass(slots=True)
class Outcome:
    """A turn as the process saw it that sent or wrote: work was handed out between `began` and `until`.

    `doubtful` are items that were sent and never acknowledged: they may be stored. `refused` counts answers that told the
    client to come back. `transactions` is 0 where somebody else groups the requests.
    """

    began: float
    until: float
    samples: list[Sample] = field(default_factory=list)
    doubtful: int = 0
    refused: int = 0
    transactions: int = 0
    late: float = 0.0
    """Seconds by which the last request of a paced turn was sent too late: the load was less than wanted."""

    @property
    def items(self) -> int:
        """Acknowledged."""
        return sum(sample.items for sample in self.samples)

    @property
    def rate(self) -> float:
        """Items a second once it has settled."""
        return rate(self.samples, self._settled, self.until)

    @property
    def latencies(self) -> list[float]:
        """Seconds of what began once it had settled."""
        return [sample.ended - sample.began for sample in self.samples if sample.began >= self._settled]

    @property
    def _settled(self) -> float:
        return self.began + min(SETTLE_SECONDS, SETTLE_SHARE * (self.until - self.began))


def rate(samples: Iterable[Sample], began: float, ended: float) -> float:
    """Items a second between two moments; of a sample that lies there in part, that part.

    Acknowledgements come in bursts, one a commit: counted whole, one burst more or less would move a short turn by percents.
    """
    if ended <= began:
        return 0.0
    items = sum(
        one.items * max(0.0, min(one.ended, ended) - max(one.began, began)) / max(one.ended - one.began, 1e-9)
        for one in samples
    )
    return items / (ended - began)


def quantile(values: Sequence[float], share: float) -> float:
    """The least value that `share` of all do not exceed; 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]
