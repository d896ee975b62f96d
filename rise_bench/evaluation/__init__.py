"""Evaluation with lmms-eval, and scoring of recorded samples."""
