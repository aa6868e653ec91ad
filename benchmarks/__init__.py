"""Measurements of a running service. Each is a ratio within one run: machines differ, and this one from minute to minute."""
