"""LLM Observatory storage layer: OTLP in, committed rows out."""

__version__ = "0.2.0.dev0"
