"""Data as scripts: what a page can load from disk, where it may fetch nothing.

A chunk is one call of the page's `facEval.put` with compressed, base64-coded JSON. Nothing that a data set or a model
said stands in the script itself, so no text of theirs can end a string, a script or a line there.
"""

from __future__ import annotations

import re
import zlib
from base64 import b64encode
from typing import Any

from fac_eval.codec import to_json

_NAME = re.compile(r"[a-z0-9][a-z0-9/-]*\Z")


def script(name: str, data: Any, *, fast: bool = False) -> bytes:
    """The chunk `name` with plain data, as the content of a script file; `fast` rather than small."""
    assert _NAME.match(name), f"no name of a chunk: {name!r}"
    packed = b64encode(zlib.compress(to_json(data), 1 if fast else 6))
    return b'facEval.put("%s","%s");\n' % (name.encode(), packed)


def unpacked(content: bytes) -> tuple[str, Any]:
    """A chunk's name and data, read back from its script."""
    from base64 import b64decode

    from fac_eval.codec import from_json

    found = re.fullmatch(rb'facEval\.put\("([a-z0-9/-]+)","([A-Za-z0-9+/=]*)"\);\n', content)
    assert found is not None, "no chunk of a site"
    return found[1].decode(), from_json(zlib.decompress(b64decode(found[2])))
