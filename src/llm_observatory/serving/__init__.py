"""What every server of ours shares, whatever it serves: ports, `grpc.health.v1`, how a refusal is said on the wire.

`otlp/`, `query/` and `app/` stand on it; it knows nothing of telemetry.
"""
