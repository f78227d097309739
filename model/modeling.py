"""`FunAudioChatForConditionalGeneration`: the parts joined, with the plain forward and its losses.

Decoding is in decoding.py; `generate` here is only its drop-in form.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForCausalLM
from transformers.utils.generic import ModelOutput

from .config import FunAudioChatConfig
from .encoder import ContinuousAudioTower
from .grouping import AudioTower, merge, spoken_text, used_rows
from .masks import causal_mask
from .speech_head import AudioInvertTower, previous_codes, sub_positions
from .step_graphs import PlainSteps, StepGraphs, graphs_for


@dataclass
class FunAudioChatOutput(ModelOutput):
    """What a plain forward gives; losses only where labels were given."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    """[B, L, text vocabulary]"""
    speech_logits: Tensor | None = None
    """[B, 5L, codebook]; None without the speech head."""
    text_loss: Tensor | None = None
    speech_loss: Tensor | None = None
    last_hidden_state: Tensor | None = None
    """[B, L, hidden], after the final norm."""
    audio_features: Tensor | None = None
    """[items, n, D]: the grouped rows of all clips, before they are cut to their used groups."""


class FunAudioChatForConditionalGeneration(nn.Module):
    """The whole model. `speech=False` leaves out what only spoken answers need."""

    config_class = FunAudioChatConfig
    main_input_name = "input_ids"

    def __init__(
        self, config: FunAudioChatConfig, *, speech: bool = True, attn_implementation: str = "sdpa"
    ) -> None:
        super().__init__()
        config.check()
        audio, text = config.audio_config, config.text_config
        text._attn_implementation = attn_implementation
        self.config = config
        self.attn_implementation = attn_implementation
        self.continuous_audio_tower = ContinuousAudioTower(audio, attn_implementation)
        self.audio_tower = AudioTower(audio)
        auto: Any = AutoModelForCausalLM
        self.language_model: Any = auto.from_config(text)
        self.audio_invert_tower: AudioInvertTower | None = None
        if speech and audio.enable_audio_invert_tower:
            self.audio_invert_tower = AudioInvertTower(audio, attn_implementation)
        self.tie_weights()
        self.sp_gen_kwargs: dict[str, Any] = {
            "text_greedy": False,
            "only_crq_sampling": True,
            "disable_speech": False,
            "force_text_abos": False,
        }
        self.generation_config: dict[str, Any] = {}
        """What the checkpoint's `generation_config.json` says."""
        self.graphs = True
        """Whether decoding may record its steps as CUDA graphs."""
        self._step_graphs: StepGraphs | None = None

    @classmethod
    def from_pretrained(
        cls, path: str | os.PathLike[str], **options: Any
    ) -> FunAudioChatForConditionalGeneration:
        """Load a checkpoint: a folder or a hub id. Options as for `load_model` in loading.py."""
        from .loading import load_model

        return load_model(path, **options)

    def tie_weights(self) -> None:
        """Tie the heads to their embeddings: the speech head's always, the text head's if the config says so."""
        if self.audio_invert_tower is not None:
            self.audio_invert_tower.lm_head.weight = self.audio_tower.embed_tokens.weight
        if self.config.text_config.tie_word_embeddings:
            self.language_model.lm_head.weight = self.language_model.model.embed_tokens.weight

    def steps_for(self, decoder: object) -> PlainSteps:
        """How a decoder's steps are run: as CUDA graphs where that is possible, and no other decoder has them."""
        if not self.graphs:
            return PlainSteps()
        if self._step_graphs is None:
            head = [] if self.audio_invert_tower is None else [self.audio_invert_tower, self.audio_tower]
            parts = {"text": [self.language_model.model], "speech": head}
            self._step_graphs = graphs_for(parts, self.attn_implementation)
        return self._step_graphs.lent_to(decoder)

    def forget_steps(self) -> None:
        """Give back the memory that recorded steps and their caches hold."""
        self._step_graphs = None

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self.forget_steps()  # they read the weights where these lie now
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    @property
    def dtype(self) -> torch.dtype:
        """The one dtype that all weights have."""
        return self.audio_tower.embed_tokens.weight.dtype

    @property
    def device(self) -> torch.device:
        """Where prompts enter: the device of the text embeddings."""
        device: torch.device = self.language_model.model.embed_tokens.weight.device
        return device

    def embed_text(self, ids: Tensor) -> Tensor:
        """The backbone's raw embedding of text ids."""
        rows: Tensor = self.language_model.model.embed_tokens(ids)
        return rows

    def encode_audio(
        self,
        speech_ids: Tensor,
        input_features: Tensor | None = None,
        feature_attention_mask: Tensor | None = None,
        feature_exist_mask: Tensor | None = None,
    ) -> Tensor:
        """All clips of a batch, in order: [items, 5n] ids and their log-mels to grouped rows [items, n, D]."""
        continuous = None
        if input_features is not None:
            if feature_attention_mask is None:
                raise ValueError("input_features need their feature_attention_mask")
            lengths = feature_attention_mask.sum(1).tolist()
            packed = torch.cat(
                [mel[:, :length] for mel, length in zip(input_features, lengths, strict=True)], dim=1
            )
            continuous = self.continuous_audio_tower(packed, lengths, speech_ids.shape[1])
        rows: Tensor = self.audio_tower(speech_ids, continuous, feature_exist_mask)
        return rows

    def prompt_embeds(
        self, input_ids: Tensor, audio: Tensor | None, speech_attention_mask: Tensor | None
    ) -> Tensor:
        """The backbone's inputs [B, L, H]: text embeddings with the clips' rows at their placeholders."""
        embeds = self.embed_text(input_ids)
        if audio is None:
            return embeds
        if speech_attention_mask is None:
            raise ValueError("speech_ids need their speech_attention_mask")
        used = used_rows(speech_attention_mask, self.audio_tower.group_size, audio.shape[1])
        return merge(embeds, input_ids == self.config.audio_token_index, audio[used.to(audio.device)])

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        speech_ids: Tensor | None = None,
        speech_attention_mask: Tensor | None = None,
        input_features: Tensor | None = None,
        feature_attention_mask: Tensor | None = None,
        feature_exist_mask: Tensor | None = None,
        text_ids: Tensor | None = None,
        text_attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> FunAudioChatOutput:
        """A teacher-forced pass over whole sequences; with `labels` also its losses.

        `text_ids` [items, t] and the booleans `text_attention_mask` [items] are the training form of spoken
        turns: the text that runs along with each clip's groups.
        """
        audio = shown = words = None
        if speech_ids is not None:
            audio = self.encode_audio(speech_ids, input_features, feature_attention_mask, feature_exist_mask)
            if text_ids is not None:
                shown = self._aligned_text(text_ids, audio.shape[1])
                words = self.embed_text(shown)
                if text_attention_mask is not None:
                    words = words * text_attention_mask.to(words)[:, None, None]
                # Every clip is halved as soon as text is given, the user's included: so it was trained.
                audio = (words.to(audio) + audio) / 2
        embeds = self.prompt_embeds(input_ids, audio, speech_attention_mask)
        backbone = self.language_model.model
        hidden = backbone(
            inputs_embeds=embeds,
            attention_mask=None if attention_mask is None else causal_mask(backbone, attention_mask),
            position_ids=position_ids,
            use_cache=False,
        ).last_hidden_state
        logits = self.language_model.lm_head(hidden)
        output = FunAudioChatOutput(logits=logits, last_hidden_state=hidden, audio_features=audio)
        speech_labels = None
        if labels is not None:
            speech_labels = self._speech_labels(input_ids, labels, speech_ids, speech_attention_mask)
            text_labels = self._text_labels(
                input_ids, labels, shown, text_attention_mask, speech_attention_mask
            )
            text_loss = self._shifted_loss(logits, text_labels, 1)
            output.text_loss = output.loss = text_loss
        if self.audio_invert_tower is not None:
            # What the head is told of each position's text: the words that run along, where they are given.
            told = self.prompt_embeds(input_ids, words, speech_attention_mask).detach()
            output.speech_logits = self._speech_logits(
                hidden + told, speech_labels, attention_mask, position_ids
            )
            if speech_labels is not None:
                size = self.audio_invert_tower.group_size
                output.speech_loss = self._shifted_loss(output.speech_logits, speech_labels, size)
                output.loss = text_loss + output.speech_loss.to(text_loss.device)
        return output

    @torch.inference_mode()
    def generate(self, input_ids: Tensor, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Drop-in form of the reference's `generate`: (ids with the prompt, emitted speech ids).

        Takes the processor's outputs and the reference's generation arguments; `sp_gen_kwargs` of the model
        apply. Several spoken rows come padded with the speech pad id, each equal to its run alone.
        """
        from .drop_in import generate

        return generate(self, input_ids, **kwargs)

    def _aligned_text(self, text_ids: Tensor, width: int) -> Tensor:
        text = self.config.text_config
        ends = text.eos_token_id if isinstance(text.eos_token_id, list) else [text.eos_token_id]
        pad = ends[0] if text.pad_token_id is None else text.pad_token_id
        return spoken_text(text_ids, width, pad=pad, end=ends, silence=text.sil_index)

    def _speech_logits(
        self,
        states: Tensor,
        labels: Tensor | None,
        attention_mask: Tensor | None,
        position_ids: Tensor | None,
    ) -> Tensor:
        head = self.audio_invert_tower
        assert head is not None
        size = head.group_size
        inputs = head.spread(states)
        if labels is not None:
            pad = self.config.audio_config.pad_token_id
            codes = previous_codes(labels, pad, self.config.ignore_index, size)
            inputs = inputs + self.audio_tower.embed_tokens(codes).to(inputs)
        mask = None
        if attention_mask is not None:
            mask = causal_mask(head.crq_transformer, attention_mask.repeat_interleave(size, dim=1))
        positions = None if position_ids is None else sub_positions(position_ids, size)
        rows = head(inputs, attention_mask=mask, position_ids=positions, use_cache=False)
        logits: Tensor = head.lm_head(rows)
        return logits

    def _speech_labels(
        self, input_ids: Tensor, labels: Tensor, speech_ids: Tensor | None, speech_mask: Tensor | None
    ) -> Tensor:
        size, ignore = self.audio_tower.group_size, self.config.ignore_index
        result = input_ids.new_full((*input_ids.shape, size), ignore)
        if speech_ids is not None and speech_mask is not None:
            groups = speech_ids.masked_fill(speech_mask == 0, ignore).reshape(len(speech_ids), -1, size)
            used = used_rows(speech_mask, size, groups.shape[1])
            result[input_ids == self.config.audio_token_index] = groups[used]
            result[labels != self.config.audio_token_index] = ignore
        result[labels == self.config.text_config.audio_eos_index] = self.config.audio_config.eos_token_id
        return result.flatten(1)

    def _text_labels(
        self,
        input_ids: Tensor,
        labels: Tensor,
        shown: Tensor | None,
        has_text: Tensor | None,
        speech_mask: Tensor | None,
    ) -> Tensor:
        ignore = self.config.ignore_index
        labels = labels.clone()
        spoken = labels == self.config.audio_token_index
        labels[spoken] = ignore
        if shown is not None and speech_mask is not None:
            used = used_rows(speech_mask, self.audio_tower.group_size, shown.shape[1])
            if has_text is not None:
                shown = shown.masked_fill(~has_text.bool()[:, None], ignore)
            along = torch.full_like(input_ids, ignore)
            along[input_ids == self.config.audio_token_index] = shown[used]
            labels = torch.where(spoken, along, labels)
        return labels

    def _shifted_loss(self, logits: Tensor, labels: Tensor, shift: int) -> Tensor:
        return functional.cross_entropy(
            logits[:, :-shift].flatten(0, 1).float(),
            labels[:, shift:].flatten().to(logits.device),
            ignore_index=self.config.ignore_index,
        )
