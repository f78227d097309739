"""Recognisers, quality meters and synthesizers: what listens to answers and what speaks."""
