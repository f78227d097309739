"""Reading rows from files and hub data sets, and fetching pinned things ahead of time. Knows no benchmark by name."""
