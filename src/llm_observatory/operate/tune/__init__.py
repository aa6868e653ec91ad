"""The settings of PostgreSQL for a machine and this workload: a table of rules, each a pure function with its reason."""

from __future__ import annotations

from llm_observatory.operate.tune.compare import Difference, compare
from llm_observatory.operate.tune.connections import Connections, connections
from llm_observatory.operate.tune.machine import Disk, Machine, this_machine
from llm_observatory.operate.tune.render import conf
from llm_observatory.operate.tune.rules import Advice, advise

__all__ = [
    "Advice",
    "Connections",
    "Difference",
    "Disk",
    "Machine",
    "advise",
    "compare",
    "conf",
    "connections",
    "this_machine",
]
