"""Leaderboard: rules, verifier, static site."""
