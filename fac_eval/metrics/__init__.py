"""Pure scoring functions: plain values in, small frozen results out, no harness needed."""
