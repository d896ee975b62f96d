"""Benchmark builders: one file per source."""
