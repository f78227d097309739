"""Scores to ids: the score processors in the order of transformers 4.52, and draws from a row's own generator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """How answers are decoded; all rows of a decoder share them, but for their seeds and length limits."""

    do_sample: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    bad_words_ids: tuple[tuple[int, ...], ...] = ()
    eos_token_ids: tuple[int, ...] = ()
    max_new_tokens: int = 2048
    text_greedy: bool = False
    """Text is the argmax of the raw scores: no penalty, no temperature, no bad words."""
    only_crq_sampling: bool = True
    """False draws each group again from its five raw score rows."""
    disable_speech: bool = False
    """No speech head at all."""
    force_text_abos: bool = False
    """The first text token is `<|audio_bos|>`."""

    def __post_init__(self) -> None:
        """Refuse values that no distribution has."""
        if self.do_sample and not self.temperature > 0:
            raise ValueError(
                f"temperature must be above 0, got {self.temperature}; do_sample=False is greedy"
            )
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be within 0 and 1, got {self.top_p}")
        if self.top_k < 0:
            raise ValueError(f"top_k must not be negative, got {self.top_k}")
        if not self.repetition_penalty > 0:
            raise ValueError(f"repetition_penalty must be above 0, got {self.repetition_penalty}")
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens must be at least 1, got {self.max_new_tokens}")

    def with_changes(self, **changes: Any) -> GenerationSettings:
        """These settings with some of them overridden."""
        return replace(self, **changes)

    @property
    def samples_text(self) -> bool:
        """Whether text is drawn, not picked."""
        return self.do_sample and not self.text_greedy


@dataclass(slots=True)
class Seen:
    """Which ids a row's history holds: one boolean row for each row of the batch."""

    size: int
    device: torch.device
    rows: Tensor = field(init=False)

    def __post_init__(self) -> None:
        """Begin without rows."""
        self.rows = torch.zeros((0, self.size), dtype=torch.bool, device=self.device)

    def append(self, histories: Sequence[Sequence[int]]) -> None:
        """Add rows with these histories."""
        new = torch.zeros((len(histories), self.size), dtype=torch.bool, device=self.device)
        for row, history in enumerate(histories):
            if history:
                new[row, torch.tensor(history, device=self.device)] = True
        self.rows = torch.cat([self.rows, new])

    def add(self, row: int, ids: Iterable[int]) -> None:
        """Add ids to one row's history."""
        self.rows[row, torch.tensor(list(ids), device=self.device)] = True

    def keep(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order."""
        self.rows = self.rows[torch.tensor(rows, dtype=torch.int64, device=self.device)]


def penalised(scores: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Scores [rows, ids] with every id of the history made less likely, once however often it occurred."""
    return torch.where(seen, torch.where(scores < 0, scores * penalty, scores / penalty), scores)


def without_bad_words(
    scores: Tensor, histories: Sequence[Sequence[int]], settings: GenerationSettings
) -> Tensor:
    """Scores with the last id of each forbidden sequence excluded where its beginning ends the history."""
    words = [
        word for word in settings.bad_words_ids if word not in {(end,) for end in settings.eos_token_ids}
    ]
    if not words:
        return scores
    scores = scores.clone()
    for row, history in enumerate(histories):
        for *beginning, last in words:
            if not beginning or list(history[-len(beginning) :]) == beginning:
                scores[row, last] = float("-inf")
    return scores


def warped(scores: Tensor, settings: GenerationSettings) -> Tensor:
    """Temperature, then top-k, then top-p."""
    if settings.temperature != 1:
        scores = scores / settings.temperature
    if settings.top_k:
        lowest = scores.topk(min(settings.top_k, scores.shape[-1])).values[..., -1:]
        scores = scores.masked_fill(scores < lowest, float("-inf"))
    if settings.top_p < 1:
        ascending, order = scores.sort(descending=False)
        removed = ascending.softmax(-1).cumsum(-1) <= 1 - settings.top_p
        removed[..., -1] = False  # the best id always stays
        scores = scores.masked_fill(removed.scatter(-1, order, removed), float("-inf"))
    return scores


def draw(scores: Tensor, noise: Tensor) -> Tensor:
    """One id a row from the softmax of its scores: the largest of probability over exponential noise.

    This is what `torch.multinomial` does for one draw.
    """
    return scores.softmax(-1, dtype=torch.float32).div(noise).argmax(-1)


def draw_noise(
    generators: Sequence[torch.Generator | None], size: int, device: torch.device, draws: int = 1
) -> Tensor:
    """What `draws` draws of each row take from its generator (None: the global one): [rows, draws, size].

    It is made row by row, so that a row's stream does not depend on its neighbours.
    """
    noise = torch.empty((len(generators), draws, size), device=device)
    for number in range(draws):
        for row, generator in enumerate(generators):
            noise[row, number].exponential_(1, generator=generator)
    return noise
