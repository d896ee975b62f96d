"""Closed outlines of regions."""
