"""`FunAudioChat`: conversations in, text and 24 kHz speech out; in batches, or as they come."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fac_eval.errors import AudioError, ModelOutOfMemory, UsageError
from fac_eval.vocabulary import Timings

from .answers import Answer, StreamStep, text_of, vocoder_codes
from .batch import Job, decoded, memory_watched
from .checkpoint import locate
from .conversation import SHORTEST, Conversation, Overflow, Turn, last_rounds, round_count, turns_of
from .decoding import Decoder, Prompt, Row
from .devices import DeviceMap
from .drop_in import seeded
from .modeling import FunAudioChatForConditionalGeneration
from .processor import FunAudioChatProcessor
from .profiles import Profile, profile
from .prompts import IM_END
from .sampling import GenerationSettings
from .text_stream import TextStream
from .voice import Sound, Voice

logger = logging.getLogger(__name__)

CONTEXT = 2048
"""Tokens of a prompt that the model was trained on."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A conversation to be answered."""

    conversation: Conversation
    seed: int | None = None
    """Drawn, and noted in the answer, if not given."""
    max_new_tokens: int | None = None
    """A limit instead of the profile's."""


class FunAudioChat:
    """The model with its processor and, for spoken answers, its vocoder."""

    def __init__(
        self,
        model: FunAudioChatForConditionalGeneration,
        processor: FunAudioChatProcessor,
        voice: Voice | None = None,
        *,
        context: int = CONTEXT,
        on_overflow: Overflow = "warn",
    ) -> None:
        self.model, self.processor, self.voice = model, processor, voice
        self.context, self.on_overflow = context, on_overflow
        self._told: set[str] = set()

    @classmethod
    def from_pretrained(
        cls,
        path: str | os.PathLike[str],
        *,
        vocoder: str | os.PathLike[str] | None = None,
        device: str = "auto",
        dtype: str = "bfloat16",
        attn_implementation: str = "sdpa",
        device_map: DeviceMap = None,
        vocoder_device: str | None = None,
        revision: str | None = None,
        speech: bool = True,
        context: int = CONTEXT,
        on_overflow: Overflow = "warn",
        graphs: bool = True,
    ) -> FunAudioChat:
        """Load a checkpoint and, if given, a vocoder; each is a folder or a hub id (`owner/name@revision`).

        Args:
            path: The checkpoint of the language model.
            vocoder: That of the speech detokenizer; without it spoken answers are codes only.
            device: `auto` is a GPU where there is one.
            dtype: `bfloat16` as published, `float32`, `float16`, or `auto` for the checkpoint's own.
            attn_implementation: `sdpa`, `eager` or `flash_attention_2`.
            device_map: Parts of the model to devices, or `auto` for all GPUs.
            vocoder_device: Where not the model's; decoding and vocoding then overlap.
            revision: Of a hub id.
            speech: False leaves out the speech head: less memory, text only.
            context: Prompt tokens from which on `on_overflow` applies.
            on_overflow: `warn`, `error`, or `truncate` the oldest rounds.
            graphs: Let a GPU decode with recorded steps (CUDA graphs).
        """
        folder = locate(path, revision=revision)
        model = FunAudioChatForConditionalGeneration.from_pretrained(
            folder,
            dtype=dtype,
            device=device,
            device_map=device_map,
            attn_implementation=attn_implementation,
            speech=speech,
        )
        model.graphs = graphs
        voice = None if vocoder is None else Voice(vocoder, vocoder_device or str(model.device))
        processor = FunAudioChatProcessor.from_pretrained(folder)
        return cls(model, processor, voice, context=context, on_overflow=on_overflow)

    def generate(
        self,
        conversations: Sequence[Conversation],
        *,
        speech: bool = False,
        seeds: Sequence[int] | None = None,
        profile: str | Profile | None = None,
        batch_size: int = 8,
        max_new_tokens: Sequence[int | None] | None = None,
        stop: Sequence[str] = (),
        sound: bool = True,
        streamed: bool = False,
        **changes: Any,
    ) -> list[Answer]:
        """Answer conversations, at most `batch_size` at a time; an answer does not depend on its neighbours.

        Args:
            conversations: See `Conversation`.
            speech: Answer with text and speech.
            seeds: One a conversation; drawn and noted in the answers if not given.
            profile: `s2t`, `s2s`, `demo` or `persona`; by `speech` if not given.
            batch_size: How many are decoded together.
            max_new_tokens: A limit for each conversation instead of the profile's.
            stop: Texts at which an answer ends, without them.
            sound: False leaves spoken answers as codes.
            streamed: Speak while generating, as `stream` does; the timings then tell when the first sound was there.
            changes: Settings of the profile to override (`GenerationSettings`).

        Raises:
            ModelOutOfMemory: A single conversation does not fit. A batch that does not fit is halved, said once.
        """
        chosen = self._profile(speech, profile)
        settings = self.settings(chosen, **changes)
        given: Sequence[int | None] = [None] * len(conversations) if seeds is None else seeds
        limits = [None] * len(conversations) if max_new_tokens is None else max_new_tokens
        if not len(given) == len(limits) == len(conversations):
            raise UsageError(f"{len(conversations)} conversations need as many seeds and limits")
        asked = map(Ask, conversations, given, limits)
        jobs = [self._job(number, ask, chosen) for number, ask in enumerate(asked)]
        done: dict[int, Answer] = {}
        with self._sounds(chosen, sound=sound, streamed=streamed) as new_sound:
            while todo := [job for job in jobs if job.number not in done]:
                try:
                    for job in self._decoded(iter(todo), settings, batch_size, stop, new_sound):
                        done[job.number] = self._answer(job, stop)
                except ModelOutOfMemory:
                    if min(batch_size, len(todo)) == 1:
                        raise
                    batch_size = (min(batch_size, len(todo)) + 1) // 2
                    self._say_once(f"out of memory: going on with batches of {batch_size}")
        return [done[job.number] for job in jobs]

    def answers(
        self,
        asked: Iterable[Ask],
        *,
        speech: bool = False,
        profile: str | Profile | None = None,
        batch_size: int = 8,
        stop: Sequence[str] = (),
        sound: bool = True,
        streamed: bool = False,
        **changes: Any,
    ) -> Iterator[tuple[int, Answer | AudioError]]:
        """Answers as they are finished, each with the number of what was asked; arguments as for `generate`.

        A conversation is taken when one of `batch_size` rows is free, so the batch stays full and any number can
        be asked. What a clip that cannot be heard raises takes the place of its answer.

        Raises:
            ModelOutOfMemory: The batch does not fit. What was not given back has no answer yet.
        """
        chosen = self._profile(speech, profile)
        settings = self.settings(chosen, **changes)
        unheard: list[tuple[int, AudioError]] = []

        def jobs() -> Iterator[Job]:
            for number, ask in enumerate(asked):
                try:
                    job = self._job(number, ask, chosen)
                except AudioError as error:
                    unheard.append((number, error))
                else:
                    yield job

        with self._sounds(chosen, sound=sound, streamed=streamed) as new_sound:
            for job in self._decoded(jobs(), settings, batch_size, stop, new_sound):
                while unheard:
                    yield unheard.pop(0)
                yield job.number, self._answer(job, stop)
        yield from unheard

    def stream(
        self,
        conversation: Conversation,
        *,
        speech: bool = True,
        seed: int | None = None,
        profile: str | Profile | None = None,
        **changes: Any,
    ) -> Iterator[StreamStep]:
        """Answer one conversation step by step: text fragments, and chunks of sound as soon as they can be made."""
        chosen = self._profile(speech, profile)
        settings = self.settings(chosen, **changes)
        ids, embeds = self.prompt(conversation, chosen)
        seed = secrets.randbits(32) if seed is None else seed
        text = TextStream(self.processor.tokenizer)
        sound = self.voice.open_stream() if self.voice is not None and chosen.speech else None
        prompt = Prompt(ids, embeds, seeded(seed, self.model.device))
        for steps in Decoder(self.model, settings, [prompt]):
            for row, step in steps:
                codes = tuple(vocoder_codes(step.group or ()))
                chunks = sound.push(codes) if sound is not None and codes else []
                fragment = text.push(row.ids[-1])
                yield StreamStep(fragment, _joined(chunks), row.ids[-1], codes, step.finished)
        tail = StreamStep(text.finish(), _joined(sound.finish() if sound is not None else []))
        if tail.text or tail.audio is not None:
            yield tail

    def settings(self, profile: Profile, **changes: Any) -> GenerationSettings:
        """A profile's settings with this checkpoint's ids and the caller's changes."""
        tokenizer = self.processor.tokenizer
        words = tuple(
            tuple(tokenizer.convert_tokens_to_ids(mark) for mark in word) for word in profile.bad_words
        )
        defaults = {
            **profile.settings,
            "eos_token_ids": (tokenizer.convert_tokens_to_ids(IM_END),),
            "bad_words_ids": words,
        }
        known = sorted(GenerationSettings.__dataclass_fields__)
        unknown = sorted(set(changes) - set(known))
        if unknown:
            message = f"no generation setting {', '.join(unknown)}"
            raise UsageError(message, remedy=f"Known: {', '.join(known)}.")
        given = {name: value for name, value in changes.items() if value is not None}
        return GenerationSettings(**{**defaults, **given})

    @torch.inference_mode()
    def prompt(self, conversation: Conversation, profile: Profile) -> tuple[tuple[int, ...], torch.Tensor]:
        """The ids of a conversation and the backbone's inputs, its clips encoded and merged in."""
        turns = turns_of(conversation, profile.system_prompt)
        if profile.rounds is not None:
            turns = last_rounds(turns, profile.rounds)
        ids, clips = self._fitting(turns)
        input_ids = torch.tensor([ids], device=self.model.device)
        if not clips:
            return tuple(ids), self.model.prompt_embeds(input_ids, None, None)[0]
        tensors = self.processor.clip_tensors(clips, padded=False)
        tensors = {name: value.to(self.model.device) for name, value in tensors.items()}
        mask = tensors.pop("speech_attention_mask")
        return tuple(ids), self.model.prompt_embeds(input_ids, self.model.encode_audio(**tensors), mask)[0]

    def _fitting(self, turns: Sequence[Turn]) -> tuple[list[int], list[Any]]:
        """Ids and clips of the turns, or of the last rounds of them that fit the context."""
        ids, clips = self._tokens(turns)
        if len(ids) <= self.context:
            return ids, clips
        message = f"a prompt of {len(ids)} tokens exceeds the {self.context} that the model was trained on"
        if self.on_overflow == "error":
            raise UsageError(message, remedy="Shorten it, or set on_overflow to warn or truncate.")
        if self.on_overflow == "warn":
            self._say_once(message)
            return ids, clips
        for rounds in range(round_count(turns) - 1, 0, -1):
            ids, clips = self._tokens(last_rounds(turns, rounds))
            if len(ids) <= self.context:
                self._say_once(f"{message}: the oldest rounds were left out")
                return ids, clips
        raise UsageError(
            f"{message}, even with its last round alone", remedy="Shorten the audio or the text."
        )

    def _tokens(self, turns: Sequence[Turn]) -> tuple[list[int], list[Any]]:
        samples = [clip for turn in turns for clip in turn.clips]
        if any(len(clip) < SHORTEST for clip in samples):
            self._say_once(f"a clip of fewer than {SHORTEST} samples (40 ms) is silence to the model")
        clips = self.processor.clips(samples)
        messages = [{"role": turn.role, "content": turn.content} for turn in turns]
        text = self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        (expanded,) = self.processor.expand([text], clips)
        return list(self.processor.tokenizer(expanded)["input_ids"]), clips

    def _job(self, number: int, ask: Ask, profile: Profile) -> Job:
        started = time.monotonic()
        with memory_watched():
            ids, embeds = self.prompt(ask.conversation, profile)
        seed = secrets.randbits(32) if ask.seed is None else ask.seed
        return Job(number, ids, embeds, seed, ask.max_new_tokens, started)

    def _sounds(
        self, profile: Profile, *, sound: bool, streamed: bool
    ) -> AbstractContextManager[Callable[[], Sound] | None]:
        """What begins the sound of an answer; None where none is to be made."""
        if self.voice is None or not profile.speech or not sound:
            return nullcontext()
        return self.voice.speaking(streamed=streamed)

    def _decoded(
        self,
        jobs: Iterator[Job],
        settings: GenerationSettings,
        batch_size: int,
        stop: Sequence[str],
        new_sound: Callable[[], Sound] | None,
    ) -> Iterator[Job]:
        def is_cut(row: Row) -> bool:
            return bool(stop) and any(end in self._text(row) for end in stop)

        try:
            yield from decoded(
                self.model, settings, jobs, batch_size=batch_size, is_cut=is_cut, new_sound=new_sound
            )
        except ModelOutOfMemory:
            self.model.forget_steps()
            raise
        finally:
            if self.model.device.type == "cuda":
                torch.cuda.empty_cache()

    def _answer(self, job: Job, stop: Sequence[str]) -> Answer:
        assert job.row is not None
        assert job.finish is not None
        text = self._text(job.row)
        for end in stop:
            text = text.split(end, 1)[0]
        wave, ended, heard = None, job.ended, None
        if job.sound is not None:
            wave = job.sound.wave()
            ended, heard = max(ended, job.sound.ready or ended), job.sound.first
        return Answer(
            text=text,
            waveform=None if wave is None else wave.float().numpy(),
            sample_rate=24000 if self.voice is None else self.voice.sample_rate,
            codes=tuple(vocoder_codes(job.row.speech)),
            text_ids=tuple(job.row.ids),
            speech_ids=tuple(job.row.speech),
            prompt_tokens=len(job.ids),
            audio_positions=job.ids.count(self.model.config.audio_token_index),
            finish_reason=job.finish,
            seed=job.seed,
            timings=Timings(
                total=ended - job.started,
                first_token=None if job.first is None else job.first - job.started,
                first_audio=None if heard is None else heard - job.started,
                batch=job.batch,
            ),
        )

    def _text(self, row: Row) -> str:
        return text_of(self.processor.tokenizer, row.ids)

    def _profile(self, speech: bool, given: str | Profile | None) -> Profile:
        if isinstance(given, Profile):
            return given
        return profile(given or ("s2s" if speech else "s2t"))

    def _say_once(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            logger.warning("%s", message)


def _joined(chunks: Sequence[torch.Tensor]) -> NDArray[np.float32] | None:
    return torch.cat([chunk.flatten() for chunk in chunks]).float().cpu().numpy() if chunks else None
