"""Reading: the gRPC query service. A call goes `answering` (deadline, errors, metrics) → service → repository → SQL.

- A **service** (`traces/service.py`, …) has the methods of one `.proto` file: it checks the request, asks its repository, makes
  the answer.
- A **repository** (`traces/repository.py`, …) takes values and gives rows or records; it composes statements of named SQL
  (`*/sql/*.sql`) and of `conditions.py`. What a client sends is only ever a parameter.
- What both share: `time_range.py`, `conditions.py`, `page.py`, `checks.py`, `records.py` (rows as OTLP).

Every statement is bounded in time: one without bounds opens and locks every partition.
"""
