"""LLM Observatory storage layer: OTLP in, committed rows out."""

__version__ = "0.1.0"
