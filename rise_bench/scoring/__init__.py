"""One scoring for reward, benchmark and leaderboard."""
