"""How judges are asked, one module a benchmark: our own wording, and where the upstream prompt stands."""
