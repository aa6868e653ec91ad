"""Grafana dashboards as code: one module a dashboard, rendered to JSON beside it by `make dashboards` (ADR 0046)."""
