"""Benchmarks, stages of training, and components found by name."""
