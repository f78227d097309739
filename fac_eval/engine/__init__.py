"""Planning and running: plan, generate, transcribe, measure, judge, score, aggregate."""
