"""Annotations that are one number, letter or short word."""
