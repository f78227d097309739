"""Compares the detokenizer with recorded tensors of the reference: every case, tensor and number of a folder.

The folder holds `index.json` (header, sizes, cases), `flow.safetensors` and `hift.safetensors` (weights),
`inputs.safetensors`, `*_cases.safetensors` (tensors named `<case>/<name>`) and `segments.json`. Sizes, weights, inputs,
tolerances and the formula of the source noise are read from there.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fac_eval.conformance import CannotRunError, Case
from fac_eval.errors import AssetError, DataError

from ..detokenizer.config import DetokenizerConfig
from ..detokenizer.driver import Engine, Segment, plan_calls, split_segments, token2wav
from ..detokenizer.flow import Flow, schedule
from ..detokenizer.hift import HiFT
from ..detokenizer.loading import load_flow, load_hift
from ..detokenizer.noise import SourceNoise, flow_noise, source_generator
from ..detokenizer.stream import SpeechStream, StreamSettings
from ..detokenizer.tensor_files import read_tensors
from .noise import FormulaNoise, seeded_noise
from .recorded import DETOKENIZER, joined
from .trace import traced

_GIVEN = {"flow": ("prompt_feat",), "hift": ("mel", "x")}
_NORMAL_DRAWS = 1e-5
"""Normal values may differ in the last bit between kinds of CPU."""

_PLACE = re.compile(r"(head|tail)_(\d+)_(\d+)")
_ON_CPU = torch.device("cpu")


def cases(path: Path) -> Iterator[Case]:
    """The cases of a set, given as its index, or of all sets in a folder."""
    return joined({index: _cases_of(GoldenDetokenizer(index)) for index in DETOKENIZER.indexes(path)})


def _cases_of(golden: GoldenDetokenizer) -> Iterator[Case]:
    official = golden.header.get("official_noise", {})
    if "t_span" in golden.header:
        yield Case("schedule", "noise: times of the sampler's steps", golden.check_schedule)
    yield Case("rand_noise", "noise: where the flow starts", partial(golden.check_flow_noise, official))
    for name, check in (("sine_waves", check_source_noise), ("rand_ini", check_phases)):
        if name in official:
            yield Case(name, "noise: of the vocoder's source", partial(check, official[name]))
    for entry in golden.segments():
        yield Case(
            f"segments_{entry['n']}", "segments: official splitter", partial(golden.check_segments, entry)
        )
    for entry in golden.index["cases"]:
        yield Case(
            entry["id"], f"{entry['stage']}: {entry.get('case', '')}", partial(golden.check_case, entry)
        )
        for name in golden.recorded(entry):
            kind = re.sub(r"\d", "", name.rsplit("/", 1)[-1])
            yield Case(f"{entry['id']}/{name}", f"tensor: {kind}", partial(golden.check_tensor, entry, name))
    yield Case("tensors", "completeness: every recorded tensor belongs to a case", golden.check_complete)


def check_source_noise(official: Mapping[str, Any]) -> list[str]:
    """The published source noise, to the bit, against what the recipe draws here."""
    _, samples, harmonics = official["shape"]
    rows = SourceNoise(harmonics).rows(0, samples)
    found = _apart("first_row", rows[0], torch.tensor(official["first_row"]), 0.0)
    found += _apart("last_row", rows[-1], torch.tensor(official["last_row"]), 0.0)
    digest = hashlib.sha256(rows.numpy().astype("<f4", copy=False).data).hexdigest()
    return found + _unequal("sha256", digest, official["sha256_f32le"])


def check_phases(official: Sequence[float]) -> list[str]:
    """The published initial phases, that of the fundamental being zero; they have no effect."""
    _, phases = source_generator(len(official))
    phases[0, 0] = 0
    return _apart("rand_ini", phases[0], torch.tensor(official), 0.0)


class GoldenDetokenizer:
    """A golden set with the networks that its weights make."""

    def __init__(self, index: Path) -> None:
        self.folder = index.parent
        self.index = _read(index)
        try:
            self.header: Mapping[str, Any] = self.index["header"]
            self.tolerance: Mapping[str, Any] = self.header["tolerance"]
            config = DetokenizerConfig.from_dict(self.index["config"])
            self.index["cases"]
        except (KeyError, TypeError) as error:
            raise DataError(f"{index}: is no index of a recorded set: {error!r}") from error
        if "t_span" in self.header:
            steps = replace(config.flow.cfm, n_timesteps=len(self.header["t_span"]) - 1)
            config = replace(config, flow=replace(config.flow, cfm=steps))
        self.config = config
        self._hifts: dict[str, HiFT] = {}
        self._last: tuple[str, dict[str, Any] | Exception] | None = None

    def segments(self) -> list[Mapping[str, Any]]:
        """The table of the official splitter, where the set has one."""
        path = self.folder / "segments.json"
        table: list[Mapping[str, Any]] = _read(path) if path.is_file() else []
        return table

    def check_schedule(self) -> list[str]:
        """The ends of the sampler's steps."""
        wanted = torch.tensor(self.header["t_span"])
        times, lengths = schedule(len(wanted) - 1)
        found = torch.cat([times, times[-1:] + lengths[-1]])
        return _apart("t_span", found, wanted, self.tolerance["t_steps"])

    def check_flow_noise(self, published: Mapping[str, Any]) -> list[str]:
        """The set's noise against its seed, and the published values against what the recipe draws here."""
        given, found = self.inputs["rand_noise"], list[str]()
        seeded = seeded_noise(str(self.header.get("inputs", "")), given.shape[1])
        if seeded is not None:
            found += _apart("inputs", given, seeded[..., : given.shape[-1]], _NORMAL_DRAWS)
        official = published.get("rand_noise")
        if official is None:
            return found
        noise = flow_noise(official["shape"][1])
        found += _unequal("shape", list(noise.shape), official["shape"])
        for name, values in official.items():
            place = _PLACE.fullmatch(name)
            if place:
                row = noise[int(place[2]), int(place[3])]
                ours = row[: len(values)] if place[1] == "head" else row[-len(values) :]
                found += _apart(name, ours, torch.tensor(values), _NORMAL_DRAWS)
        return found

    def check_segments(self, entry: Mapping[str, Any]) -> list[str]:
        """One length of the splitter's table."""
        parts = split_segments(range(entry["n"]))
        found = _unequal("lengths", [len(part) for part in parts], entry["lengths"])
        return found + _unequal("starts", [part[0] for part in parts], entry["starts"])

    def check_complete(self) -> list[str]:
        """Tensors that no case of the index claims, and a `config.json` that says other things than the index."""
        known = {entry["id"] for entry in self.index["cases"]}
        found = [f"{key}: belongs to no case" for key in self.tensors if key.split("/", 1)[0] not in known]
        beside = self.folder / "config.json"
        same = not beside.is_file() or _read(beside) == self.index["config"]
        return found + ([] if same else ["config.json and the index differ in their sizes"])

    def recorded(self, entry: Mapping[str, Any]) -> list[str]:
        """The names of the tensors that a case is compared with; those that it starts from are left out."""
        prefix, given = f"{entry['id']}/", _GIVEN.get(entry["stage"], ())
        names = [key.removeprefix(prefix) for key in self.tensors if key.startswith(prefix)]
        return [name for name in names if name not in given]

    def check_case(self, entry: Mapping[str, Any]) -> list[str]:
        """Run one case and compare what the index says of it: an error, calls, shapes, counts, figures."""
        expected, found = entry["expected"], self._outcome(entry)
        if "error" in expected:
            failed = isinstance(found, Exception)
            return [] if failed else [f"expected an error ({expected['error']}), but there was none"]
        if isinstance(found, Exception):
            return [f"it raised {type(found).__name__}: {found}"]
        return self._check_numbers(expected, found, end_to_end=entry["stage"].startswith("e2e"))

    def check_tensor(self, entry: Mapping[str, Any], name: str) -> list[str]:
        """Compare one recorded tensor with ours."""
        found, wanted = self._outcome(entry), self.tensors[f"{entry['id']}/{name}"]
        if isinstance(found, Exception):
            return [f"{name}: the case raised {type(found).__name__}: {found}"]
        if name not in found:
            return [f"{name}: recorded, but nothing of ours corresponds to it"]
        if entry["stage"].startswith("e2e"):
            return self._apart_end_to_end(name, found[name], wanted)
        return _apart(name, found[name], wanted, self._tolerance_of(name))

    @torch.inference_mode()
    def _outcome(self, entry: Mapping[str, Any]) -> dict[str, Any] | Exception:
        """All that a case makes, or what it raises; kept until another case is asked for."""
        runs: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "flow": self._flow_case,
            "hift": self._hift_case,
            "e2e": self._e2e_case,
            "e2e_stream": self._stream_case,
        }
        if entry["stage"] not in runs:
            raise CannotRunError(f"the stage {entry['stage']!r} is unknown: {', '.join(runs)}")
        if self._last is None or self._last[0] != entry["id"]:
            try:
                self._last = (entry["id"], runs[entry["stage"]](entry))
            except (CannotRunError, AssetError):
                raise
            except KeyError as error:
                raise CannotRunError(f"{entry['id']}: the case has no {error}") from error
            except Exception as error:  # noqa: BLE001 - whatever it is, it may be what is recorded
                self._last = (entry["id"], error)
        return self._last[1]

    def _given(self, entry: Mapping[str, Any], name: str) -> Tensor | None:
        return self.tensors.get(f"{entry['id']}/{name}")

    def _flow_case(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Mean, speaker and mel, and every tensor on the way that has been recorded."""
        given = entry["input"]
        size = given.get("static_chunk_size", self.config.flow.dit.static_chunk_size)
        with traced(self.flow, self.recorded(entry)) as trace:
            mel = self.flow(
                [given["tokens"]],
                self.inputs["embedding"],
                self.inputs["rand_noise"],
                finalize=given.get("finalize", True),
                chunk=size if given.get("streaming") else None,
                prompt_codes=given.get("prompt_tokens", ()),
                prompt_mel=self._given(entry, "prompt_feat"),
            )[0]
        return {**trace, "mel": mel[None]}

    def _hift_case(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        given = entry["input"]
        probe, mel = self._given(entry, "x"), self._given(entry, "mel")
        if probe is not None:  # of one module, which the description names first
            return {"y": self._hift("float64").get_submodule(entry["case"].split()[0])(probe)}
        if mel is None:
            raise CannotRunError(f"{entry['id']}: neither a mel nor a probe is recorded")
        noise = self.source_noise.rows(0, mel.shape[-1] * self.config.hift.samples_per_frame)
        hift = self._hift(given.get("f0_dtype", "float64"))
        speech = hift(mel, noise, finalize=given.get("finalize", True))
        clipped = int((speech.wave.abs() >= self.config.hift.audio_limit).sum())
        return {**speech._asdict(), "clipped": clipped, "frames": mel.shape[-1]}

    def _e2e_case(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """The driver over all segments; long waveforms are recorded thinned out, and around the ends of calls."""
        given = entry["input"]
        hop, ahead = given["token_hop_len"], given["pre_lookahead_len"]
        pieces, calls = [], []
        for codes in split_segments(given["tokens"]) or [[]]:
            made = token2wav(self.engine, Segment(codes, self.inputs["embedding"]), hop, ahead)
            for call, piece in zip(plan_calls(len(codes), hop, ahead), made, strict=True):
                calls.append(_call(call.codes, call.offset, call.finalize, piece))
            pieces += made
        wave = torch.cat(pieces)[None]
        found = {"wave": wave, "calls": calls, "samples": wave.shape[1], "dtype": str(wave.dtype)}
        if "stride" in entry["expected"]:
            found |= {
                "stride": entry["expected"]["stride"],
                "wave_stride": wave[:, :: entry["expected"]["stride"]],
            }
        last = self._given(
            entry, f"edge{len(pieces) - 1}"
        )  # as much before the end as there is around the others
        width = 0 if last is None else last.shape[1]
        end = 0
        for number, piece in enumerate(pieces):
            end += len(piece)
            found[f"edge{number}"] = wave[:, max(0, end - width) : end + width]
        return found

    def _stream_case(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        settings = StreamSettings(hop=entry["input"]["hop"], lossless=False)
        stream = SpeechStream(self.engine, self.inputs["embedding"], settings)
        found: dict[str, Any] = {"calls": []}
        for code in (*entry["input"]["tokens"], None):
            for chunk in stream.finish() if code is None else stream.push([code]):
                assert stream.last_call is not None
                call = stream.last_call
                found[f"chunk{len(found['calls'])}"] = chunk[None]
                found["calls"].append(_call(call.codes, call.offset, call.finalize, chunk))
        return found

    def _check_numbers(
        self, expected: Mapping[str, Any], found: Mapping[str, Any], end_to_end: bool
    ) -> list[str]:
        """The numbers in the index: shapes and counts exactly, figures of a tensor as its own tolerance allows."""
        differences = []
        for key, wanted in expected.items():
            name, _, figure = key.rpartition("_")
            if key == "tensors":
                continue  # their names; each is compared by itself
            if key == "rms":
                name, figure = "wave", "rms"
            if figure in _FIGURES and name in found:
                tolerance = wanted * self.tolerance["e2e_rel_l2"] if end_to_end else self._tolerance_of(name)
                ours = _FIGURES[figure](found[name])
                close = ours is wanted is None or (wanted is not None and abs(ours - wanted) <= tolerance)
                differences += [] if close else [f"{key}: expected {wanted}, got {ours}"]
            elif figure == "shape" and name in found:
                differences += _unequal(key, list(found[name].shape), wanted)
            elif key in found:
                differences += _unequal(key, found[key], wanted)
            else:
                differences.append(f"{key}: recorded, but nothing of ours corresponds to it")
        return differences

    def _tolerance_of(self, name: str) -> float:
        if name == "y":
            return float(self.tolerance["mu"])
        return float(self.tolerance.get(name, self.tolerance["trace"]))

    def _apart_end_to_end(self, name: str, found: Tensor, wanted: Tensor) -> list[str]:
        differences = _apart(name, found, wanted, self.tolerance["e2e_max"])
        if not differences:
            share = float((found - wanted).norm() / wanted.norm())
            limit = self.tolerance["e2e_rel_l2"]
            differences = [] if share <= limit else [f"{name}: relative L2 {share:.3g}, allowed {limit}"]
        return differences

    def _hift(self, f0_dtype: str) -> HiFT:
        if f0_dtype not in self._hifts:
            exact = {"float64": torch.float64, "float32": torch.float32}[f0_dtype]
            self._hifts[f0_dtype] = load_hift(self.folder, self.config, _ON_CPU, torch.float32, exact)
        return self._hifts[f0_dtype]

    @cached_property
    def inputs(self) -> dict[str, Tensor]:
        """Inputs that all cases share."""
        return read_tensors(self.folder / "inputs.safetensors")

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """All recorded tensors, `<case>/<name>`."""
        files = sorted(self.folder.glob("*_cases.safetensors"))
        return {key: value for path in files for key, value in read_tensors(path).items()}

    @cached_property
    def flow(self) -> Flow:
        """The flow with the folder's weights."""
        return load_flow(self.folder, self.config, _ON_CPU, torch.float32)

    @cached_property
    def source_noise(self) -> SourceNoise:
        """Noise by the header's formula."""
        return FormulaNoise(self.header.get("hift_noise", ""), self.config.hift.nb_harmonics + 1)

    @cached_property
    def engine(self) -> Engine:
        """Both networks with the folder's noise."""
        return Engine(self.flow, self._hift("float64"), self.inputs["rand_noise"], self.source_noise)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error


def _call(codes: int, offset: int, finalize: bool, piece: Tensor) -> dict[str, Any]:
    return {"n_tokens": codes, "token_offset": offset, "finalize": finalize, "samples": len(piece)}


def _apart(name: str, found: Tensor, wanted: Tensor, tolerance: float) -> list[str]:
    if found.shape != wanted.shape:
        return [f"{name}: shape {list(found.shape)}, recorded {list(wanted.shape)}"]
    apart = float((found - wanted).abs().max()) if found.numel() else 0.0
    return (
        [] if apart <= tolerance else [f"{name}: {apart:.3g} apart, allowed {tolerance:g}"]
    )  # NaN is apart, too


def _unequal(name: str, found: Any, wanted: Any) -> list[str]:
    return [] if found == wanted else [f"{name}: expected {wanted}, got {found}"]


_FIGURES: Mapping[str, Callable[[Tensor], float | None]] = {
    "mean": lambda tensor: float(tensor.mean()),
    "std": lambda tensor: float(tensor.std()),
    "rms": lambda tensor: float(tensor.square().mean().sqrt()) if tensor.numel() else None,
}
