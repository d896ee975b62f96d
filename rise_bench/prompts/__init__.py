"""Prompts and the forms of an answer."""
