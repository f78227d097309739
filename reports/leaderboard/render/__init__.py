"""Leaderboards in every format that they are written in."""
