"""The durable memory of a workspace: one SQLite file and content-addressed audio beside it."""

from fac_eval.store.redact import redact, scrub
from fac_eval.store.rows import CellRow, ItemRow, RunRow, SessionRow
from fac_eval.store.store import Store
from fac_eval.store.writer import Writer

__all__ = ["CellRow", "ItemRow", "RunRow", "SessionRow", "Store", "Writer", "redact", "scrub"]
