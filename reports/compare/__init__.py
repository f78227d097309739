"""`fac-eval compare`: models on the same samples, with paired tests."""
