"""Measurements: `python -m bench [--short]` prints a table and writes build/bench.json."""
