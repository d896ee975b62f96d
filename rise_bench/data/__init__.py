"""Benchmark datasets on disk."""
