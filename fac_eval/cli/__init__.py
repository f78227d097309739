"""The command line: one thin module a sub-command, loaded when it is used."""
