"""Kinds of annotation: one folder each, with the same file names in each."""
