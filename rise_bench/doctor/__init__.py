"""Examination of this machine: what it can run, and how to fix what it cannot."""
