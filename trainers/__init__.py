"""Thin TRL training scripts and their recipes."""
