"""Phases of training with TRL."""
