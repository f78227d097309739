"""The published web demo's streamer: what `generate(streamer=...)` puts, told apart by shape.

FunAudioLLM/Fun-Audio-Chat, web_demo/server/funaudiochat_infer.py. Kept for scripts that were written against
it; `FunAudioChat.stream` has none of its quirks: the prompt counts as audio, a record carries only the text
that came last, and a character's bytes are decoded one id at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor
from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class StepRecord:
    """Audio and the latest text before it."""

    step: int
    text_ids: list[list[int]] | None
    audio_ids: list[list[int]] | None
    text: str


@dataclass
class DemoStreamer:
    """Collects step records from a run of one row."""

    tokenizer: PreTrainedTokenizerBase
    steps: list[StepRecord] = field(default_factory=list)
    text_ids: list[int] = field(default_factory=list)
    audio_ids: list[int] = field(default_factory=list)
    """All that was taken for audio: the prompt's ids first."""
    done: bool = False
    _pending: list[list[int]] | None = None

    def put(self, value: Tensor) -> None:
        """One column (or a flat tensor) is text, more are audio: so the prompt is audio, too."""
        rows: list[list[int]] = (value[:, None] if value.dim() == 1 else value).tolist()
        if len(rows[0]) == 1:
            self._pending = rows
            self.text_ids += rows[0]
        else:
            self.audio_ids += rows[0]
            self._record(rows)

    def end(self) -> None:
        """The last pending text becomes a record without audio."""
        if self._pending is not None:
            self._record(None)
        self.done = True

    @property
    def text(self) -> str:
        """All text so far, special tokens included."""
        return str(self.tokenizer.decode(self.text_ids, skip_special_tokens=False))

    def _record(self, audio: list[list[int]] | None) -> None:
        text = "" if self._pending is None else str(self.tokenizer.decode(self._pending[0]))
        self.steps.append(StepRecord(len(self.steps) + 1, self._pending, audio, text))
        self._pending = None
