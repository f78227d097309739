"""One static site over stored runs: written to a folder that opens from disk, or served while a run goes on."""

from .export import AudioMode, Written, write_site
from .server import Pages, SiteServer
from .snapshot import Snapshot

__all__ = ["AudioMode", "Pages", "SiteServer", "Snapshot", "Written", "write_site"]
