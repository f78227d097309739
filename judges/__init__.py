"""LLM and audio-LLM judges: prompts by reference, calling, parsing, caching, cost."""
