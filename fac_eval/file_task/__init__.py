"""The task `file`: anybody's own questions, from a file."""
