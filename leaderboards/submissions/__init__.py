"""Submissions: schema, strict JSON, files."""
