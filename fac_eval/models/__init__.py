"""Generic models: the sanity models, replayed predictions, and OpenAI-compatible endpoints."""
