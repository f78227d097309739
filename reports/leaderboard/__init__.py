"""`fac-eval leaderboard`: published and measured columns side by side."""
