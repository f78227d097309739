"""Text ids to text as they come: a character appears when its last byte has, and never as a broken one."""

from __future__ import annotations

import codecs
from functools import cache

from transformers import PreTrainedTokenizerBase

from .answers import mark_ids, special_ids


class TextStream:
    """The text of one answer in the making; the fragments put together are `text_of` of all ids."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._skipped = mark_ids(tokenizer) | special_ids(tokenizer)
        self._literal = {token.content for token in tokenizer.added_tokens_decoder.values()}
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, text_id: int) -> str:
        """The text that an id completes; empty for marks and for part of a character."""
        if text_id in self._skipped or text_id >= len(self._tokenizer):
            return ""
        token = str(self._tokenizer.convert_ids_to_tokens(text_id))
        return self._decoder.decode(token.encode() if token in self._literal else _bytes_of(token))

    def finish(self) -> str:
        """What is left: an unfinished character as the replacement character."""
        return self._decoder.decode(b"", final=True)


def _bytes_of(token: str) -> bytes:
    table = _byte_table()
    if all(char in table for char in token):
        return bytes(table[char] for char in token)
    return token.encode()


@cache
def _byte_table() -> dict[str, int]:
    """The byte that each character of a byte-level token stands for: printable ones stand for themselves."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(byte): byte for byte in plain}
    rest = (byte for byte in range(256) if byte not in set(plain))
    table.update({chr(256 + number): byte for number, byte in enumerate(rest)})
    return table
