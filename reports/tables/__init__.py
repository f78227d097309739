"""The tables of the Fun-Audio-Chat report: their figures, their layouts, and what does not hold of them."""
