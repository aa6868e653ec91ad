"""Pictures of the dashboards, drawn from their own queries by matplotlib: what a reader gets, not what Grafana draws."""
