"""What is made of stored runs: comparisons, gates, leaderboards beside the published tables, plots, and the pages."""
