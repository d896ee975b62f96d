"""Annotations that are probability distributions over classes."""
