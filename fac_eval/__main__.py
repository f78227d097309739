"""`python -m fac_eval` is `fac-eval`."""

from fac_eval.cli.main import main

if __name__ == "__main__":
    main()
