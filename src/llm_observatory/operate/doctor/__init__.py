"""`llm-observatory doctor`: the daily checklist as one command. Each line is ok, warn or fail, with what to do next."""

from __future__ import annotations

from llm_observatory.operate.doctor.examine import examine
from llm_observatory.operate.doctor.line import Report
from llm_observatory.operate.doctor.show import show

__all__ = ["Report", "examine", "show"]
