"""Annotations that are ordered lists of calls from a closed vocabulary."""
