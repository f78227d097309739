"""`fac-eval gate`: what a policy demands, held against a candidate and its baseline."""
