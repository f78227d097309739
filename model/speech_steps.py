"""The speech head within the decode loop: five codes a step, for every row at its own place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .cache import SlotCache
from .masks import for_layers, step_mask
from .sampling import GenerationSettings, Seen, draw, penalised, warped

if TYPE_CHECKING:
    from .decoding import Row
    from .modeling import FunAudioChatForConditionalGeneration


class SpeechSteps:
    """Runs the head at every step, also in the prompt and while a row is silent: its cache and the random
    stream depend on it.
    """

    def __init__(self, model: FunAudioChatForConditionalGeneration, settings: GenerationSettings) -> None:
        head = model.audio_invert_tower
        if head is None:
            raise ValueError("this model was loaded without its speech head: load it with speech=True")
        self._head, self._tower, self._settings = head, model.audio_tower, settings
        self._transformer: Any = head.crq_transformer
        self._device = head.pre_matching.weight.device
        self._size = head.group_size
        self._bos: int = model.config.audio_config.bos_token_id
        self._cache = SlotCache()
        self._history = Seen(model.config.audio_config.codebook_size, self._device)
        self._previous: Tensor | None = None
        self._raw: list[Tensor] = []

    def first(self, rows: Sequence[Row], states: Tensor, lengths: Sequence[int]) -> list[list[int]]:
        """The codes after the prompts: `states` [new rows, L, D], padded on the right."""
        pre = self._head.spread(states.to(self._device))
        bos = self._tower.embed_tokens(torch.tensor(self._bos, device=self._device))
        ends = [self._size * length for length in lengths]
        reach = max(ends) - self._size + 1
        cache = SlotCache()
        cache.start([end - self._size + 1 for end in ends], reach)
        # The embedding of bos is added at every sub-position of the prompt, as the checkpoint is used.
        hidden = self._pass(pre[:, :reach] + bos, cache, torch.arange(reach, device=self._device)[None], None)
        index = torch.arange(len(rows), device=self._device)
        last = hidden[index, torch.tensor(ends, device=self._device) - self._size]
        slots = range(len(self._cache.lengths), len(self._cache.lengths) + len(rows))
        if self._reads_history:
            self._history.append([[] for _ in rows])
        codes, previous = self._pick_group(
            rows,
            slots,
            last,
            cache,
            lambda j: pre[index, torch.tensor(ends, device=self._device) - self._size + j],
        )
        self._cache.append(cache)
        self._previous = previous if self._previous is None else torch.cat([self._previous, previous])
        return codes

    def next(self, rows: Sequence[Row], states: Tensor) -> list[list[int]]:
        """The codes of one more step: `states` [rows, 1, D]."""
        pre = self._head.spread(states.to(self._device))
        assert self._previous is not None
        last = self._one(pre[:, 0] + self._previous, self._cache)
        codes, self._previous = self._pick_group(
            rows, range(len(rows)), last, self._cache, lambda j: pre[:, j]
        )
        return codes

    def again(self, rows: Sequence[Row], codes: list[list[int]] | None) -> list[list[int]]:
        """The group drawn once more from its five raw score rows (`only_crq_sampling` off)."""
        assert codes is not None
        scores = torch.stack(self._raw, dim=1)
        result = []
        for index, row in enumerate(rows):
            if not row.speaking:
                result.append(codes[index])
                continue
            group = scores[index]
            if self._settings.repetition_penalty != 1 and row.speech:
                # Each of the five rows is penalised by its own contiguous fifth of all codes so far.
                fifths = torch.tensor(row.speech, device=group.device).view(self._size, -1)
                seen = torch.zeros_like(group, dtype=torch.bool).scatter_(1, fifths, value=True)
                group = penalised(group, seen, self._settings.repetition_penalty)
            if self._settings.do_sample:
                group = warped(group, self._settings)
                noise = torch.empty_like(group).exponential_(1, generator=row.prompt.generator)
                picked = group.softmax(-1).div(noise).argmax(-1)
            else:
                picked = group.argmax(-1)
            result.append(picked.tolist())
        return result

    def heard(self, rows: Sequence[Row]) -> Tensor:
        """What the backbone hears of each row's last group: [rows, D]; rows without one get any."""
        last = [row.speech[-self._size :] or [self._bos] * self._size for row in rows]
        groups: Tensor = self._tower.groups(torch.tensor(last, device=self._device))
        return groups[:, 0]

    def emitted(self, slot: int, codes: Sequence[int]) -> None:
        """Note the codes that a row has said."""
        if self._reads_history:
            self._history.add(slot, codes)

    def keep(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order."""
        self._cache.keep(rows)
        assert self._previous is not None
        self._previous = self._previous[torch.tensor(rows, dtype=torch.int64, device=self._device)]
        if self._reads_history:
            self._history.keep(rows)

    def _pick_group(
        self, rows: Sequence[Row], slots: range, last: Tensor, cache: SlotCache, inputs: Any
    ) -> tuple[list[list[int]], Tensor]:
        """Pick five codes a row; each but the last is fed to the pass that follows it."""
        self._raw = []
        picked: list[Tensor] = []
        seen = None
        if self._reads_history:
            # Only what a row has said counts, and only while it speaks; beside it, this group's own codes.
            speaking = torch.tensor([row.speaking for row in rows], device=self._device)
            seen = self._history.rows[slots.start : slots.stop] & speaking[:, None]
        previous = last
        for j in range(self._size):
            if j:
                last = self._one(inputs(j) + previous, cache)
            scores = self._head.lm_head(last).float()
            self._raw.append(scores)
            if seen is not None:
                scores = penalised(scores, seen, self._settings.repetition_penalty)
            if self._settings.do_sample:
                codes = draw(warped(scores, self._settings), [row.prompt.generator for row in rows])
            else:
                codes = scores.argmax(-1)
            if seen is not None:
                seen.scatter_(1, codes[:, None], value=True)
            picked.append(codes)
            previous = self._tower.embed_tokens(codes)
        return torch.stack(picked, dim=1).tolist(), previous

    def _one(self, inputs: Tensor, cache: SlotCache) -> Tensor:
        """One sub-position of every row: [rows, D] to [rows, D]."""
        cache.step()
        mask = None
        if not cache.level:
            lengths = torch.tensor(cache.lengths, device=self._device)
            mask = step_mask(self._transformer, lengths, cache.width)
        return self._pass(inputs[:, None], cache, cache.positions(self._device), mask)[:, 0]

    def _pass(self, inputs: Tensor, cache: SlotCache, positions: Tensor, mask: Any) -> Tensor:
        if mask is None:
            if inputs.shape[1] > 1:
                from .decoding import first_mask

                mask = first_mask(self._transformer, inputs)
            else:
                mask = for_layers(self._transformer, None)
        rows: Tensor = self._head(
            inputs, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        )
        return rows

    @property
    def _reads_history(self) -> bool:
        return self._settings.repetition_penalty != 1
