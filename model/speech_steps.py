"""The speech head within the decode loop: five codes a step, for every row at its own place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .masks import first_mask
from .sampling import GenerationSettings, Seen, draw, draw_noise, penalised, warped

if TYPE_CHECKING:
    from .decoding import Row
    from .modeling import FunAudioChatForConditionalGeneration
    from .step_graphs import Cache, PlainSteps


class SpeechSteps:
    """Runs the head at every step, also in the prompt and while a row is silent: its cache and the random
    stream depend on it.
    """

    def __init__(
        self, model: FunAudioChatForConditionalGeneration, settings: GenerationSettings, stepper: PlainSteps
    ) -> None:
        head = model.audio_invert_tower
        if head is None:
            raise ValueError("this model was loaded without its speech head: load it with speech=True")
        self._head, self._tower, self._settings = head, model.audio_tower, settings
        self._transformer: Any = head.crq_transformer
        self._device = head.pre_matching.weight.device
        self._size = head.group_size
        self._bos: int = model.config.audio_config.bos_token_id
        self._vocabulary: int = model.config.audio_config.codebook_size
        self._stepper = stepper
        self._cache = stepper.cache("speech", head.group_size)
        self._history = Seen(self._vocabulary, self._device)
        self._previous: Tensor | None = None
        self._raw: Tensor | None = None

    def first(self, rows: Sequence[Row], states: Tensor, lengths: Sequence[int]) -> list[list[int]]:
        """The codes after the prompts: `states` [new rows, L, D], padded on the right."""
        pre = self._head.spread(states.to(self._device))
        bos = self._tower.embed_tokens(torch.tensor(self._bos, device=self._device))
        ends = [self._size * length for length in lengths]
        reach = max(ends) - self._size + 1
        start = len(self._cache.lengths)
        self._cache.join([end - self._size + 1 for end in ends], reach)
        # The embedding of bos is added at every sub-position of the prompt, as the checkpoint is used.
        inputs = pre[:, :reach] + bos
        hidden = self._head(
            inputs,
            attention_mask=first_mask(self._transformer, inputs),
            position_ids=torch.arange(reach, device=self._device)[None],
            past_key_values=self._cache,
            use_cache=True,
        )
        index = torch.arange(len(rows), device=self._device)
        begins = torch.tensor(ends, device=self._device) - self._size
        if self._reads_history:
            self._history.append([[] for _ in rows])
        group = pre[index[:, None], begins[:, None] + torch.arange(self._size, device=self._device)]
        drawn = self._drawn(rows, start)
        codes, previous, self._raw = self._group(
            self._cache, hidden[index, begins], group, drawn.get("noise"), drawn.get("seen"), start
        )
        self._previous = previous if self._previous is None else torch.cat([self._previous, previous])
        return _listed(codes)

    def next(self, rows: Sequence[Row], states: Tensor) -> list[list[int]]:
        """The codes of one more step: `states` [rows, D]."""
        assert self._previous is not None
        inputs = {"states": states.to(self._device), "previous": self._previous, **self._drawn(rows, 0)}
        chosen = self._settings
        variant = chosen.temperature, chosen.top_k, chosen.top_p, chosen.repetition_penalty, *inputs
        codes, self._previous, self._raw = self._stepper.run(
            "speech", self._step, self._cache, inputs, variant
        )
        return _listed(codes)

    def again(self, rows: Sequence[Row], codes: list[list[int]] | None) -> list[list[int]]:
        """The group drawn once more from its five raw score rows (`only_crq_sampling` off)."""
        assert codes is not None
        assert self._raw is not None
        result = []
        for index, row in enumerate(rows):
            if not row.speaking:
                result.append(codes[index])
                continue
            group = self._raw[index]
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

    def _drawn(self, rows: Sequence[Row], start: int) -> dict[str, Tensor]:
        """What a group's draws depend on beside the scores, for the rows from `start` on."""
        given = {}
        if self._settings.do_sample:
            generators = [row.prompt.generator for row in rows]
            given["noise"] = draw_noise(generators, self._vocabulary, self._device, self._size)
        if self._reads_history:
            # Only what a row has said counts, and only while it speaks.
            speaking = torch.tensor([row.speaking for row in rows], device=self._device)
            given["seen"] = self._history.rows[start : start + len(rows)] & speaking[:, None]
        return given

    def _step(
        self,
        cache: Cache,
        states: Tensor,
        previous: Tensor,
        noise: Tensor | None = None,
        seen: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One group of every row, from the backbone's states [rows, D] and the codes before as embeddings."""
        pre = self._head.spread(states[:, None])
        return self._group(cache, self._one(cache, pre[:, 0] + previous), pre, noise, seen)

    def _group(
        self,
        cache: Cache,
        last: Tensor,
        pre: Tensor,
        noise: Tensor | None,
        seen: Tensor | None,
        start: int = 0,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Five codes for each row from `start` on; each but the last is fed to the pass that follows it.

        Returns the codes [rows, 5], the embedding of the last [rows, D] and the raw scores [rows, 5, codes].
        """
        raw: list[Tensor] = []
        picked: list[Tensor] = []
        previous = last
        for j in range(self._size):
            if j:
                last = self._one(cache, pre[:, j] + previous, start)
            scores = self._head.lm_head(last).float()
            raw.append(scores)
            if seen is not None:
                scores = penalised(scores, seen, self._settings.repetition_penalty)
            if noise is not None:
                codes = draw(warped(scores, self._settings), noise[:, j])
            else:
                codes = scores.argmax(-1)
            if seen is not None:  # beside what was said, this group's own codes count
                seen = seen.scatter(1, codes[:, None], value=True)
            picked.append(codes)
            previous = self._tower.embed_tokens(codes)
        return torch.stack(picked, dim=1), previous, torch.stack(raw, dim=1)

    def _one(self, cache: Cache, inputs: Tensor, start: int = 0) -> Tensor:
        """One sub-position of each row from `start` on: [rows, D] to [rows, D]."""
        cache.step(start)
        rows: Tensor = self._head(
            inputs[:, None],
            attention_mask=cache.mask(self._transformer, inputs.device),
            position_ids=cache.positions(inputs.device),
            past_key_values=cache,
            use_cache=True,
        )
        return rows[:, 0]

    @property
    def _reads_history(self) -> bool:
        return self._settings.repetition_penalty != 1


def _listed(codes: Tensor) -> list[list[int]]:
    listed: list[list[int]] = codes.tolist()
    return listed
