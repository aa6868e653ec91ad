"""Benchmarks that compare: the codec with the parser of protobuf, the service with COPY; a machine before and after a change.

Every figure that matters is a ratio within one run; of two runs `compare` says what else was different.
"""
