"""Golden set `utmos`: small networks in the layouts of the published weights, scored clip by clip and in batches.

Sizes, weights, waveforms and tolerances are read from the set's files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fac_eval.conformance import CannotRunError, Case, Golden, read_golden
from fac_eval.errors import DataError, require
from fac_eval.speech.utmos_meter import Utmos
from fac_eval.speech.utmos_sizes import sizes_beside

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fac_eval.speech.utmos import UtmosNetwork

    Samples = NDArray[np.float32]

Row = Mapping[str, Any]
Variant = Literal["sinc", "linear"]
VARIANTS: tuple[Variant, ...] = ("sinc", "linear")

_WEIGHTS = (".safetensors", ".pt", ".ckpt")
_NUMBER = re.compile(r"abs (\d[\d.]*(?:e[+-]?\d+)?)")
_AT_RATE = re.compile(r"(\d[\d.]*(?:e[+-]?\d+)?) for (\d+) Hz")
_BATCH = 1e-5
_TOGETHER = 8
_SUM_RELATIVE, _SUM_ABSOLUTE = 1e-4, 1e-2
_REASONS = {"RuntimeError": "utmos_too_short", "nan": "utmos_nonfinite"}
"""What the reference does with a clip that has no score, and the flag that says so here."""


def cases(path: Path) -> Iterator[Case]:
    """The cases of a folder, given as the folder or as the file of cases in it."""
    folder = path if path.is_dir() else path.parent
    golden = read_golden(folder / "cases.jsonl" if path.is_dir() else path)
    files = sorted(file for file in folder.iterdir() if file.suffix in _WEIGHTS)
    if not files or not (folder / "config.json").is_file():
        raise DataError(f"{folder}: weights and a config.json with their sizes must stand beside the cases")
    sounds = Sounds(golden)
    for row in golden.cases:
        if "sr" in row["input"]:
            yield Case(f"{row['id']}.16k", f"resampling: {row.get('case', '')}", partial(sounds.check, row))
    for file in files:
        scores = Scores(file, sounds)
        for row in golden.cases:
            label = f"{file.stem}: {row.get('case', '')}"
            yield Case(f"{row['id']}.{file.stem}", label, partial(scores.check, row))
        for variant in VARIANTS:
            label = f"{file.stem}: all clips in batches, {variant}"
            yield Case(f"all.{variant}.{file.stem}", label, partial(scores.check_all, variant))


def waveform(given: Row) -> Samples:
    """The samples that a case describes."""
    import numpy as np

    seconds = np.arange(given["n"]) / given["sr"]
    wave = np.zeros(given["n"])
    for level, frequency, phase, slope in given.get("sines", ()):
        wave += level * np.sin(2 * np.pi * (frequency * seconds + 0.5 * slope * seconds**2) + phase)
    if "am" in given:
        depth, frequency = given["am"]
        wave *= 1 - depth * (0.5 + 0.5 * np.cos(2 * np.pi * frequency * seconds))
    if "noise" in given:
        level, seed = given["noise"]
        states = accumulate(range(given["n"]), _next_state, initial=seed)
        wave += level * (np.fromiter(states, np.float64)[1:] / 2**32 * 2 - 1)
    wave = (wave + given.get("dc", 0.0)) * given.get("gain", 1.0)
    samples: Samples = (np.clip(wave, -1, 1) if given.get("clip") else wave).astype(np.float32)
    for key, value in (("nan_at", np.nan), ("inf_at", np.inf)):
        if key in given:
            samples[given[key]] = value
    return samples


def _next_state(state: int, _: int) -> int:
    return (1664525 * state + 1013904223) & 0xFFFFFFFF


class Sounds:
    """The clips of a set, and their resampled forms against the record."""

    def __init__(self, golden: Golden) -> None:
        self.rows = {row["id"]: row for row in golden.cases if "sr" in row["input"]}
        self.stated: Mapping[str, str] = golden.header.get("tolerance", {})
        self._waves: dict[str, Samples] = {}

    def __getitem__(self, case_id: str) -> tuple[Samples, int]:
        if case_id not in self.rows:
            raise CannotRunError(f"there is no clip {case_id!r} in the set")
        row = self.rows[case_id]
        if case_id not in self._waves:
            self._waves[case_id] = waveform(row["input"])
        return self._waves[case_id], row["input"]["sr"]

    def tolerance(self, case_id: str) -> float:
        """How far a score may be off."""
        own = self.rows[case_id].get("tolerance")
        return float(own) if own is not None else _stated(self.stated.get("score", ""), 3e-4)

    def check(self, row: Row) -> list[str]:
        """What of a clip at 16 kHz differs from the record."""
        from fac_eval.speech.resample_sinc import resample

        samples, rate = self[row["id"]]
        text = self.stated.get("resampled", "")
        at_rate = {int(hertz): float(number) for number, hertz in _AT_RATE.findall(text)}
        tolerance = at_rate.get(rate, _stated(text, 1e-5))
        problems = []
        for variant in VARIANTS:
            found, expected = resample(samples, rate, variant), row["expected"]
            length = expected.get(f"n16k_{variant}", len(found))
            if len(found) != length:
                problems.append(f"{variant}: {len(found)} samples, expected {length}")
            elif recorded := expected.get(f"resampled_{variant}"):
                problems += [f"{variant}: {text}" for text in _resampled(found, recorded, tolerance)]
        return problems


class Scores:
    """A file of weights and the scores that it gives, one clip at a time or many."""

    def __init__(self, file: Path, sounds: Sounds) -> None:
        self._file, self._sounds = file, sounds
        self._alone: dict[tuple[str, Variant], Mapping[str, float]] = {}

    @cached_property
    def _meters(self) -> dict[Variant, Utmos]:
        meters = {variant: Utmos(str(self._file), variant, "cpu") for variant in VARIANTS}
        for meter in meters.values():
            meter.load()
        return meters

    @cached_property
    def _network(self) -> UtmosNetwork:
        for package in ("torch", "transformers"):
            require(package, extra="model", purpose="UTMOS")
        from fac_eval.speech.utmos_weights import load_network

        return load_network(self._file, sizes_beside(self._file))

    def check(self, row: Row) -> list[str]:
        """What of a case's scores differs from the record."""
        if "members" in row["input"]:
            return self._check_members(row["input"]["members"], row["expected"]["scores"])
        problems = []
        for variant in VARIANTS:
            expected = row["expected"].get(f"score_{variant}", row["expected"].get(f"error_{variant}"))
            if expected is not None:
                found = self._figures(row["id"], variant)
                problems += self._off(f"{variant}: ", found, expected, self._sounds.tolerance(row["id"]))
        frames = row["expected"].get("frames_sinc")
        if frames is not None:
            found_frames = sizes_beside(self._file).frames(row["expected"]["n16k_sinc"])
            problems += [f"{found_frames} frames, expected {frames}"] if found_frames != frames else []
        return problems

    def check_all(self, variant: Variant) -> list[str]:
        """Where a clip scores otherwise beside longer and shorter ones than alone."""
        ids = [case_id for case_id in self._sounds.rows if "utmos" in self._figures(case_id, variant)]
        problems = []
        for start in range(0, len(ids), _TOGETHER):
            group = ids[start : start + _TOGETHER]
            for case_id, score in zip(group, self._together(group, variant), strict=True):
                problems += self._unlike_alone(case_id, variant, score)
        return problems

    def _check_members(self, ids: Sequence[str], expected: Sequence[float]) -> list[str]:
        problems = []
        for case_id, found, score in zip(ids, self._together(ids, "sinc"), expected, strict=True):
            problems += self._off(f"{case_id}: ", {"utmos": found}, score, self._sounds.tolerance(case_id))
            problems += self._unlike_alone(case_id, "sinc", found)
        return problems

    def _together(self, ids: Sequence[str], variant: Variant) -> list[float]:
        """The scores of clips of any lengths as one batch; the meter itself would put like with like."""
        from fac_eval.speech.resample_sinc import resample

        return self._network.score([resample(*self._sounds[case_id], variant) for case_id in ids])

    def _unlike_alone(self, case_id: str, variant: Variant, score: float) -> list[str]:
        alone = self._figures(case_id, variant)
        return self._off(f"{case_id}, alone and in a batch: ", alone, score, _BATCH)

    def _figures(self, case_id: str, variant: Variant) -> Mapping[str, float]:
        if (case_id, variant) not in self._alone:
            (found,) = self._meters[variant].measure_samples([self._sounds[case_id]])
            self._alone[case_id, variant] = found
        return self._alone[case_id, variant]

    @staticmethod
    def _off(where: str, figures: Mapping[str, float], expected: float | str, tolerance: float) -> list[str]:
        if isinstance(expected, str):
            flag = _REASONS.get(expected)
            if flag is None:
                raise CannotRunError(f"the reference gives {expected!r}, which stands for nothing known here")
            right = "utmos" not in figures and flag in figures
            return [] if right else [f"{where}{dict(figures)}, expected {flag}"]
        score = figures.get("utmos")
        if score is None:
            return [f"{where}{dict(figures)}, expected {expected}"]
        right = abs(score - expected) <= tolerance
        return [] if right else [f"{where}{score}, expected {expected} within {tolerance:g}"]


def _resampled(found: Samples, recorded: Row, tolerance: float) -> Iterator[str]:
    import numpy as np

    middle = len(found) // 2
    parts = {"first": found[:6], "mid": found[middle : middle + 6], "last": found[-4:]}
    for name, part in parts.items():
        apart = np.abs(part.astype(np.float64) - recorded[name]).max()
        if not apart <= tolerance:
            yield f"{name} samples are off by {apart:.3g}, allowed {tolerance:g}"
    exact = found.astype(np.float64)
    for name, value in (("sum", exact.sum()), ("sumsq", (exact**2).sum())):
        if not abs(value - recorded[name]) <= max(_SUM_ABSOLUTE, _SUM_RELATIVE * abs(recorded[name])):
            yield f"{name} {value:.6g}, expected {recorded[name]:.6g}"


def _stated(text: str, default: float) -> float:
    number = _NUMBER.search(text)
    return float(number[1]) if number else default
