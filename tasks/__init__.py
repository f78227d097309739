"""One module a benchmark: where its data is, what is asked, how an answer scores, how scores add up."""
