"""Formats of annotated data that several builders read."""
