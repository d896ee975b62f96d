"""Static site of the leaderboard."""
