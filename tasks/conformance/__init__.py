"""Adapters from the cases of golden files to the scorers of the engine, one function per file."""
