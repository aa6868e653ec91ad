"""OTLP on the wire: from bytes of a client to `pipeline.Ingest`, and from its errors to words the client acts on."""
