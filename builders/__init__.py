"""Benchmark builders: one file a source."""
