"""Drawn benchmarks: moods, scenes, kinds."""
