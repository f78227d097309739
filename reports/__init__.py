"""Leaderboards, published numbers, comparisons, and the web page."""
