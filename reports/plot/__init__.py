"""`fac-eval plot`: figures for papers."""
