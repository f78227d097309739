"""The proof: recorded cases of the reference model and its detokenizer, and how they are compared."""
