"""The decode loop: one text id and, while speaking, one group of five speech codes a row and step.

Rows are independent of one another: each has its own positions, its own place in the caches, its own state and
its own generator. A row that ends leaves at once and the next waiting one joins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .masks import first_mask
from .modeling import FunAudioChatForConditionalGeneration
from .sampling import GenerationSettings, Seen, draw, draw_noise, penalised, warped, without_bad_words
from .speech_steps import SpeechSteps
from .step_graphs import Cache


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one row begins with."""

    ids: tuple[int, ...]
    embeds: Tensor
    """[L, H]: the backbone's inputs, audio merged in."""
    generator: torch.Generator | None = None
    """The row's own; None draws from the device's global one."""
    max_new_tokens: int | None = None
    """Instead of the settings' limit."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one row gained in one step."""

    row: int
    """Which prompt, in the order given."""
    text_id: int
    """As picked: the step that ends speech still shows it, though `<|audio_eos|>` takes its place in the ids."""
    group: tuple[int, ...] | None
    finished: str | None
    """`stop` or `length` with the row's last step."""


@dataclass(slots=True)
class Row:
    """The state of one answer."""

    number: int
    prompt: Prompt
    limit: int
    force: bool
    ids: list[int] = field(default_factory=list)
    """New text ids."""
    speech: list[int] = field(default_factory=list)
    """All emitted codes."""
    speaking: bool = False
    fed: bool = False
    """Whether the step before emitted a group."""

    @property
    def last(self) -> int:
        """The id that the next step begins with."""
        return self.ids[-1] if self.ids else self.prompt.ids[-1]

    @property
    def history(self) -> list[int]:
        """All text ids, the prompt's included."""
        return [*self.prompt.ids, *self.ids]


class Decoder:
    """Decodes prompts with one set of settings, at most `batch_size` at a time.

    Iterate over it for the steps of all rows as they come; `add` may be called in between.
    """

    def __init__(
        self,
        model: FunAudioChatForConditionalGeneration,
        settings: GenerationSettings,
        prompts: Iterable[Prompt] = (),
        *,
        batch_size: int = 1,
    ) -> None:
        self.model, self.settings, self.batch_size = model, settings, batch_size
        self._backbone: Any = model.language_model.model
        self._stepper = model.steps_for(self)
        self._head = None if settings.disable_speech else SpeechSteps(model, settings, self._stepper)
        self._device = model.device
        self._cache = self._stepper.cache("text", 1)
        self._seen = Seen(model.config.text_config.vocab_size, self._device)
        self._waiting: deque[Row] = deque()
        self._rows: list[Row] = []
        self._count = 0
        for prompt in prompts:
            self.add(prompt)

    def add(self, prompt: Prompt) -> int:
        """Queue a prompt; its number is what its steps carry."""
        limit = prompt.max_new_tokens or self.settings.max_new_tokens
        self._waiting.append(Row(self._count, prompt, limit, self.settings.force_text_abos))
        self._count += 1
        return self._count - 1

    def cancel(self, number: int) -> None:
        """Drop a row, decoded in part or still waiting."""
        self._waiting = deque(row for row in self._waiting if row.number != number)
        with torch.inference_mode():
            self._leave([row.number == number for row in self._rows])

    def __iter__(self) -> Iterator[list[tuple[Row, Step]]]:
        """The steps, one list a pass over the batch, until no row is left."""
        while self._waiting or self._rows:
            with torch.inference_mode():
                steps = (
                    self._join() if self._waiting and len(self._rows) < self.batch_size else self._advance()
                )
            yield steps

    def _join(self) -> list[tuple[Row, Step]]:
        """Take in as many waiting rows as there is room for, with their first step."""
        free = self.batch_size - len(self._rows)
        new = [self._waiting.popleft() for _ in range(min(free, len(self._waiting)))]
        lengths = [len(row.prompt.ids) for row in new]
        embeds = torch.nn.utils.rnn.pad_sequence([row.prompt.embeds for row in new], batch_first=True)
        ids = torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(row.prompt.ids, device=self._device) for row in new], batch_first=True
        )
        self._cache.join(lengths, embeds.shape[1])
        hidden = self._backbone(
            inputs_embeds=embeds,
            attention_mask=first_mask(self._backbone, embeds),
            position_ids=torch.arange(embeds.shape[1], device=self._device)[None],
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state
        if self._reads_history:
            self._seen.append([row.prompt.ids for row in new])
        ends = torch.tensor(lengths, device=hidden.device) - 1
        last = hidden[torch.arange(len(new), device=hidden.device), ends]
        codes = None
        if self._head is not None:
            codes = self._head.first(new, hidden + self.model.embed_text(ids).to(hidden), lengths)
        start = len(self._rows)
        self._rows += new
        return self._finish(new, start, last, codes)

    def _advance(self) -> list[tuple[Row, Step]]:
        """One step of every row."""
        rows = self._rows
        bos = self.model.config.text_config.audio_bos_index
        ids = torch.tensor([row.last for row in rows], device=self._device)
        for row in rows:
            row.speaking = row.speaking or row.last == bos
        words = self.model.embed_text(ids)
        embeds = words
        fed = [row.speaking and row.fed for row in rows]
        if self._head is not None and any(fed):
            heard = self._head.heard(rows).to(words)
            both = torch.tensor(fed, device=words.device)[:, None]
            embeds = torch.where(both, (words + heard) / 2, words)
        (last,) = self._stepper.run("text", self._step, self._cache, {"embeds": embeds})
        codes = None if self._head is None else self._head.next(rows, last + words.to(last))
        return self._finish(rows, 0, last, codes)

    def _step(self, cache: Cache, embeds: Tensor) -> tuple[Tensor]:
        """One column of every row through the backbone: [rows, H] to [rows, H]."""
        cache.step()
        hidden = self._backbone(
            inputs_embeds=embeds[:, None],
            attention_mask=cache.mask(self._backbone, embeds.device),
            position_ids=cache.positions(embeds.device),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return (hidden[:, 0],)

    def _finish(
        self, rows: Sequence[Row], start: int, last: Tensor, codes: list[list[int]] | None
    ) -> list[tuple[Row, Step]]:
        """Pick the text, settle the groups, and let finished rows leave."""
        picked = self._pick_text(rows, start, last)
        if self._head is not None and not self.settings.only_crq_sampling:
            codes = self._head.again(rows, codes)
        steps, done = [], [False] * len(self._rows)
        for index, (row, choice) in enumerate(zip(rows, picked, strict=True)):
            text_id = self._forced(row, choice)
            row.ids.append(text_id)
            finished = None
            if text_id in self.settings.eos_token_ids:
                finished = "stop"
            elif len(row.ids) >= row.limit:
                finished = "length"
            group = self._settle(row, start + index, codes[index]) if codes is not None else None
            if self._reads_history:
                self._seen.add(start + index, [row.ids[-1]])
            done[start + index] = finished is not None
            steps.append((row, Step(row.number, text_id, group, finished)))
        self._leave(done)
        return steps

    def _pick_text(self, rows: Sequence[Row], start: int, last: Tensor) -> list[int]:
        scores = self.model.language_model.lm_head(last).float()
        settings = self.settings
        if not settings.text_greedy:
            if settings.repetition_penalty != 1:
                seen = self._seen.rows[start : start + len(rows)].to(scores.device)
                scores = penalised(scores, seen, settings.repetition_penalty)
            if settings.bad_words_ids:
                scores = without_bad_words(scores, [row.history for row in rows], settings)
        if not settings.samples_text:
            picked: list[int] = scores.argmax(-1).tolist()
            return picked
        noise = draw_noise([row.prompt.generator for row in rows], scores.shape[-1], scores.device)
        drawn: list[int] = draw(warped(scores, settings), noise[:, 0]).tolist()
        return drawn

    def _forced(self, row: Row, choice: int) -> int:
        if not row.force:
            return choice
        row.force = False  # the draw is spent all the same
        bos: int = self.model.config.text_config.audio_bos_index
        return bos

    def _settle(self, row: Row, slot: int, codes: list[int]) -> tuple[int, ...] | None:
        """The group that a row emits in this step, if it is speaking."""
        row.fed = row.speaking
        if not row.speaking:
            return None
        end = self.model.config.audio_config.eos_token_id
        if end in codes:
            codes = [end] * len(codes)
            row.ids[-1] = self.model.config.text_config.audio_eos_index
            row.speaking = False
        row.speech += codes
        assert self._head is not None
        self._head.emitted(slot, codes)
        return tuple(codes)

    def _leave(self, done: Sequence[bool]) -> None:
        if not any(done):
            return
        kept = compacted(done)
        self._rows = [self._rows[index] for index in kept]
        self._cache.keep(kept)
        if self._reads_history:
            self._seen.keep(kept)
        if self._head is not None:
            self._head.keep(kept)

    @property
    def _reads_history(self) -> bool:
        return self.settings.repetition_penalty != 1 and not self.settings.text_greedy


def compacted(done: Sequence[bool]) -> list[int]:
    """The order in which what stays fills the places of what leaves, with as few moves as can be."""
    staying = [index for index, over in enumerate(done) if not over]
    movers = [index for index in staying if index >= len(staying)]
    return [index if not done[index] else movers.pop() for index in range(len(staying))]
