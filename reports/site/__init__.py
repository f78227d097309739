"""One static site over stored runs: written to a folder that opens from disk, or served while a run goes on."""
