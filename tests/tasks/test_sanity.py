"""The sanity models on every task, under every combination of its variants: best, worst, and chance.

`oracle` must reach the best figure there is, `empty` the worst, and `random` chance on multiple choice. Where a
protocol has it otherwise, `EXCEPTIONS` says so and why, and so does the benchmark's page in docs/benchmarks.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from fac_eval.data.hub import DataFinder
from fac_eval.errors import MissingResource
from fac_eval.metrics.text_resources import find_punkt
from fac_eval.models.sanity import Empty, Oracle, Random
from fac_eval.resolve import all_tasks
from fac_eval.task import Task
from fac_eval.vocabulary import Figure, Sample
from tests.support.assess import Assessment, assess
from tests.support.sounds import stored, tone

SEEDS = range(50)
"""With them a dozen items are some hundreds of guesses."""
SIGMAS = 4

# What the fair judge's best and worst replies come to, where that is not 100 and 0.
SCALES: Mapping[str, tuple[float, float]] = {
    "openaudiobench/alpaca_eval": (100, 10),
    "voicebench/alpacaeval": (5, 1),
    "voicebench/commoneval": (5, 1),
    "voicebench/wildvoice": (5, 1),
    "vstyle/en": (5, 1),
    "vstyle/zh": (5, 1),
    "styleset": (5, 1),
}

LEFT_OUT = {
    "panda": ("off",),  # PEDANT runs in an environment of its own
    "region": ("usa", "all"),  # the others are other rows of the same kind
    "wording": ("own",),  # the authors' prompt needs their file, and no score depends on it
}
"""Options of which not every value is tried, and why."""
OF_DATA = frozenset({"copy"})
"""Options that say where the same items come from."""

EXCEPTIONS: Mapping[str, tuple[Callable[[Mapping[str, Any]], bool], str]] = {
    "voicebench/advbench": (lambda options: True, "an empty answer is a refusal, which is what is asked for"),
    "voicebench/mmsu": (
        lambda options: options["mode"] in ("official", "kimi_vb_mcq") and options["fallback"] == "random",
        "an answer without a letter draws one",
    ),
    "voicebench/bbh": (
        lambda options: options["fallback"] == "random",
        "an answer that no rule reads draws one of two",
    ),
    "mmau_pro": (
        lambda options: options["closed"] != "string_match" or options["open"] == "judge",
        "the option nearest to nothing is an option, too, and the lowest mark of an open answer is one of five",
    ),
    "mmsu": (
        lambda options: options["match"] == "official",
        "the official scorer stops: an empty answer takes the letter of the one before, and there is none",
    ),
    "ultraeval_audio": (lambda options: options["silent"] == "drop", "a silent answer leaves the figure"),
    "vstyle": (lambda options: True, "without sound there is nothing to rate"),
    "styleset": (lambda options: True, "without sound there is nothing to rate"),
}
EXCEPTIONS = {**EXCEPTIONS, "voicebench/openbookqa": EXCEPTIONS["voicebench/mmsu"]}
"""Where `empty` is not at the minimum: by task or benchmark, under which options, and why."""

CHOICES = ("voicebench/mmsu", "voicebench/openbookqa", "voicebench/bbh", "mmau", "mmau_pro", "mmsu", "file")
"""The multiple-choice tasks; of MMAU-Pro the closed items."""


@pytest.fixture(scope="module", autouse=True)
def _sentences() -> None:
    try:
        find_punkt()
    except MissingResource as missing:
        pytest.skip(str(missing))


def variants_of(cls: type[Task]) -> Iterator[dict[str, Any]]:
    """Every combination of the named variants and switches of a task."""
    hints = get_type_hints(cls.Options)
    values: dict[str, tuple[Any, ...]] = {}
    for field in dataclasses.fields(cls.Options):
        hint = hints[field.name]
        if get_origin(hint) is Literal:
            values[field.name] = LEFT_OUT.get(field.name, get_args(hint))
        elif hint is bool:
            values[field.name] = (False, True)
    for combination in product(*values.values()):
        yield dict(zip(values, combination, strict=True))


@pytest.fixture(scope="module")
def own_files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, str]]:
    """What the tasks without data of their own are given."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "a.wav").write_bytes(stored(tone(1.0)))
    style = {"lang": "en", "audio": "a.wav", "text": "Say it.", "emotion": "anger", "cue": "loud"}
    subsets = ("instruction_following", "semantic_empathy", "paralinguistic_empathy")
    rows = [{**style, "id": subset, "subset": subset} for subset in subsets]
    (folder / "style.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    choices = ["a dog", "a cat", "a cow"]
    asked = [
        {"id": f"q{i}", "text": f"Which is {i}?", "choices": choices[: 2 + i % 2], "reference": "AB"[i % 2]}
        for i in range(12)
    ]
    (folder / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    return {"styleset": {"file": str(folder / "style.jsonl")}, "file": {"path": str(folder / "asked.jsonl")}}


@dataclasses.dataclass(frozen=True)
class Variant:
    """A task under one combination of its options."""

    options: Mapping[str, Any]
    task: Task
    samples: list[Sample]

    def __str__(self) -> str:
        return ",".join(f"{name}={value}" for name, value in self.options.items())


@dataclasses.dataclass(frozen=True)
class Cases:
    """A task under all of its options."""

    name: str
    variants: list[Variant]

    @property
    def benchmark(self) -> str:
        return self.name.partition("/")[0]

    def is_exception(self, variant: Variant) -> bool:
        """Whether `empty` is not at the minimum here."""
        found = EXCEPTIONS.get(self.name) or EXCEPTIONS.get(self.benchmark)
        return found is not None and found[0](variant.options)

    def best_and_worst(self, figure: Figure) -> tuple[float, float]:
        best, worst = SCALES.get(self.name, (100, 0))
        return (best, worst) if figure.higher_is_better else (worst, best)


@pytest.fixture(scope="module", params=sorted(all_tasks()))
def cases(request: pytest.FixtureRequest, own_files: Mapping[str, Mapping[str, str]]) -> Cases:
    """A task under all of its variants, each with its samples."""
    cls = all_tasks()[request.param]
    given = own_files.get(cls.name, {})
    read: dict[str, list[Sample]] = {}
    variants = []
    for options in variants_of(cls):
        task = cls(cls.Options(**given, **options))
        ours = {option: held for option, held in options.items() if option not in OF_DATA}
        source = cls(cls.Options(**given, **ours))
        key = repr([dataset.identity for dataset in source.datasets()])
        if key not in read:
            read[key] = list(source.samples(DataFinder("sample")))
        variants.append(Variant(options, task, read[key]))
    return Cases(cls.name, variants)


def main_figure(found: Assessment) -> Figure:
    assert found.main is not None
    assert found.main.value is not None
    return found.main


def test_oracle_is_at_the_maximum(cases: Cases) -> None:
    for variant in cases.variants:
        result = assess(variant.task, variant.samples, Oracle())
        assert not result.failed, variant
        figure = main_figure(result)
        assert figure.value == cases.best_and_worst(figure)[0], variant


def test_empty_is_at_the_minimum_but_for_the_exceptions(cases: Cases) -> None:
    excepted = 0
    for variant in cases.variants:
        result = assess(variant.task, variant.samples, Empty())
        if cases.is_exception(variant):
            excepted += 1
            figure = result.main
            assert figure is None or figure.value != cases.best_and_worst(figure)[1], variant
        else:
            assert not result.failed, variant
            figure = main_figure(result)
            assert figure.value == cases.best_and_worst(figure)[1], variant
    assert bool(excepted) == (cases.name in EXCEPTIONS or cases.benchmark in EXCEPTIONS)


@pytest.mark.parametrize("cases", CHOICES, indirect=True)
def test_random_is_at_chance_on_multiple_choice(cases: Cases) -> None:
    for variant in cases.variants:
        task = variant.task
        if cases.name == "file" and variant.options["metric"] not in ("auto", "choice"):
            continue
        asked = [
            sample
            for sample in variant.samples
            if task.skip(sample) is None and task.guess(sample, lambda choices: choices[0]) is not None
        ]
        chance = sum(1 / len(sample.choices) for sample in asked) / len(asked)
        sigma = math.sqrt(chance * (1 - chance) / (len(asked) * len(SEEDS)))
        result = assess(task, asked, Random(), SEEDS)
        figures = {figure.name.removesuffix(" (string match)"): figure for figure in result.figures}
        figure = figures["closed accuracy"] if cases.name == "mmau_pro" else main_figure(result)
        assert figure.value is not None
        assert abs(figure.value / 100 - chance) < SIGMAS * sigma, variant


@pytest.mark.parametrize("model", [Oracle(), Empty(), Random()], ids=lambda model: model.name)
def test_figures_lie_within_their_intervals_and_shares_within_bounds(cases: Cases, model: Any) -> None:
    for variant in cases.variants:
        for figure in assess(variant.task, variant.samples, model).figures:
            if figure.value is None or figure.low is None or figure.high is None:
                continue
            where = f"{figure} of {variant}"
            assert figure.low - 1e-9 <= figure.value <= figure.high + 1e-9, where
            if figure.unit == "%":
                assert figure.low >= -1e-9, where
                # An error rate may be more.
                assert figure.high <= 100 + 1e-9 or not figure.higher_is_better, where


DOCS = Path(__file__).parents[2] / "docs" / "benchmarks"
PAGES = sorted(
    {f"{name.partition('/')[0]}.md" for name in EXCEPTIONS} & {path.name for path in DOCS.iterdir()}
)


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_say_what_empty_comes_to(page: str) -> None:
    assert "`empty`" in (DOCS / page).read_text("utf-8")
