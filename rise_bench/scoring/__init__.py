"""Scoring shared by reward, benchmark and leaderboard."""
