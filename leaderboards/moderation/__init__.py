"""Batches of pull requests, decisions, reproduction."""
