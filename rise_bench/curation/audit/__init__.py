"""Audit of labels: which are probably wrong, and why."""
