"""`python -m benchmarks.timescale`: what TimescaleDB makes of our tables, measured against the bars it has to hold."""
