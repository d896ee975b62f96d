"""Annotations that are lists of boxes."""
