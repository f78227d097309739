import itertools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fac_eval.errors import MissingResource
from fac_eval.metrics.ifeval import check_ifeval
from fac_eval.metrics.ifeval_checks import INSTRUCTION_IDS, LANGUAGES
from fac_eval.metrics.ifeval_ideal import ideal_response
from fac_eval.metrics.text_resources import find_punkt

pytest.importorskip("langdetect")
pytest.importorskip("nltk")

SAMPLE_DATA = Path(__file__).parents[3] / "tasks" / "sample_data" / "voicebench" / "ifeval"
Arguments = dict[str, Any]

KEYWORDS = ["river", "ocean", "correlated", "experiencing", "talented", "lighthouse"]
DRAWS: Mapping[str, Callable[[Random, str], Arguments]] = {
    "keywords:existence": lambda r, _: {"keywords": r.sample(KEYWORDS, r.randint(1, 4))},
    "keywords:frequency": lambda r, relation: {
        "keyword": r.choice(KEYWORDS),
        "frequency": r.randint(1, 8),
        "relation": relation,
    },
    "keywords:forbidden_words": lambda r, _: {
        "forbidden_words": r.sample(["the", "bread", "and", "moon", "her", "nickname"], r.randint(1, 4))
    },
    "keywords:letter_frequency": lambda r, relation: {
        "letter": r.choice("abcdefghijklmnopqrstuvwxyz"),
        "let_frequency": r.randint(20, 40),
        "let_relation": relation,
    },
    "language:response_language": lambda r, _: {"language": r.choice(sorted(LANGUAGES - {"en"}))},
    "length_constraints:number_sentences": lambda r, relation: {
        "num_sentences": r.randint(5, 20),
        "relation": relation,
    },
    "length_constraints:number_paragraphs": lambda r, _: {"num_paragraphs": r.randint(2, 6)},
    "length_constraints:number_words": lambda r, relation: {
        "num_words": r.choice([150, 250]) if relation == "less than" else r.choice([20, 100, 300]),
        "relation": relation,
    },
    "length_constraints:nth_paragraph_first_word": lambda r, _: {
        "num_paragraphs": r.randint(3, 5),
        "nth_paragraph": r.randint(2, 3),
        "first_word": r.choice(["suddenly", "President"]),
    },
    "detectable_content:number_placeholders": lambda r, _: {"num_placeholders": r.randint(1, 8)},
    "detectable_content:postscript": lambda r, _: {"postscript_marker": r.choice(["P.S.", "P.P.S"])},
    "detectable_format:number_bullet_lists": lambda r, _: {"num_bullets": r.randint(1, 8)},
    "detectable_format:number_highlighted_sections": lambda r, _: {"num_highlights": r.randint(1, 8)},
    "detectable_format:multiple_sections": lambda r, _: {
        "section_spliter": r.choice(["Section", "Day"]),
        "num_sections": r.randint(1, 5),
    },
    "combination:repeat_prompt": lambda r, _: {
        "prompt_to_repeat": r.choice(["Write a song on cats.", "Tell me a joke!\n* Make it short."])
    },
    "startend:end_checker": lambda r, _: {"end_phrase": r.choice(["Any other questions?", "Peace!"])},
    "change_case:capital_word_frequency": lambda r, relation: {
        "capital_frequency": r.randint(20, 30) if relation == "less than" else r.randint(1, 20),
        "capital_relation": relation,
    },
}
"""Arguments of the kind that the real set has; the upper limits leave room for one other instruction."""

CONTRADICTIONS = {
    frozenset(pair)
    for pair in [
        ("combination:two_responses", "length_constraints:number_paragraphs"),
        ("detectable_format:constrained_response", "change_case:english_capital"),
        ("detectable_format:constrained_response", "change_case:english_lowercase"),
        ("language:response_language", "change_case:english_capital"),
        ("language:response_language", "change_case:english_lowercase"),
        ("change_case:english_capital", "change_case:english_lowercase"),
        ("change_case:capital_word_frequency", "change_case:english_lowercase"),
        ("detectable_format:multiple_sections", "change_case:english_capital"),
        ("detectable_format:multiple_sections", "change_case:english_lowercase"),
        ("detectable_format:json_format", "combination:repeat_prompt"),
        ("startend:quotation", "combination:repeat_prompt"),
    ]
}
"""No text can follow both (in the case of the two cases: with the arguments above)."""


@pytest.fixture(autouse=True)
def _punkt() -> None:
    try:
        find_punkt()
    except MissingResource as missing:
        pytest.skip(missing.message)


def arguments(instruction_id: str, random: Random, relation: str) -> Arguments:
    return DRAWS[instruction_id](random, relation) if instruction_id in DRAWS else {}


def contradictory(combination: tuple[str, ...]) -> bool:
    return any(frozenset(pair) in CONTRADICTIONS for pair in itertools.combinations(combination, 2))


def follows(instruction_ids: tuple[str, ...] | list[str], kwargs: list[Arguments], text: str) -> bool:
    return all(check_ifeval(instruction_ids, kwargs, text, clean=clean).strict_all for clean in (True, False))


def unsolved(combinations: Iterable[tuple[str, ...]], seed: int) -> list[Any]:
    random, failed = Random(seed), []
    for combination in combinations:
        relation = random.choice(["less than", "at least"])
        kwargs = [arguments(instruction_id, random, relation) for instruction_id in combination]
        text = ideal_response(combination, kwargs)
        if text is None:
            failed.append((combination, kwargs))
        else:
            assert follows(combination, kwargs, text), (combination, kwargs, text)
    return failed


@pytest.mark.parametrize("relation", ["less than", "at least"])
@pytest.mark.parametrize("instruction_id", INSTRUCTION_IDS)
def test_every_instruction_alone(instruction_id: str, relation: str) -> None:
    for seed in range(3):
        kwargs = [arguments(instruction_id, Random(seed), relation)]
        text = ideal_response([instruction_id], kwargs)
        assert text is not None, kwargs
        assert follows([instruction_id], kwargs, text), (kwargs, text)


def test_pairs_that_do_not_contradict_each_other() -> None:
    pairs = [pair for pair in itertools.combinations(INSTRUCTION_IDS, 2) if not contradictory(pair)]
    failed = unsolved(pairs, seed=0)
    assert len(failed) <= 0.02 * len(pairs), failed


def test_triples_that_do_not_contradict_each_other() -> None:
    triples = [triple for triple in itertools.combinations(INSTRUCTION_IDS, 3) if not contradictory(triple)]
    drawn = Random(1).sample(triples, 120)
    failed = unsolved(drawn, seed=2)
    assert len(failed) <= 0.05 * len(drawn), failed


@pytest.mark.parametrize("pair", sorted(map(sorted, CONTRADICTIONS)), ids="+".join)
def test_contradictions_have_no_ideal_response(pair: list[str]) -> None:
    assert len(unsolved([(pair[0], pair[1])], seed=0)) == 1


def test_shipped_sample_items() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    (path,) = SAMPLE_DATA.glob("*.parquet")
    items = parquet.read_table(path, columns=["instruction_id_list", "kwargs"]).to_pylist()
    assert items
    for item in items:
        text = ideal_response(item["instruction_id_list"], item["kwargs"])
        assert text is not None, item
        assert follows(item["instruction_id_list"], item["kwargs"], text), item


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_language(language: str) -> None:
    item = (["language:response_language", "detectable_format:title"], [{"language": language}, {}])
    text = ideal_response(*item)
    assert text is not None
    assert follows(*item, text)


@pytest.mark.parametrize("letter", "abcdefghijklmnopqrstuvwxyz")
def test_filler_can_do_without_any_letter(letter: str) -> None:
    limit = {"letter": letter, "let_frequency": 1, "let_relation": "less than"}
    text = ideal_response(
        ["keywords:letter_frequency", "length_constraints:number_words"],
        [limit, {"num_words": 50, "relation": "at least"}],
    )
    assert text is not None
    assert letter not in text.lower()


TIGHT: Mapping[str, tuple[list[str], list[Arguments]]] = {
    "many sentences of few words": (
        ["length_constraints:number_sentences", "length_constraints:number_words"],
        [{"num_sentences": 12, "relation": "at least"}, {"num_words": 20, "relation": "less than"}],
    ),
    "one sentence of many words": (
        ["length_constraints:number_sentences", "length_constraints:number_words"],
        [{"num_sentences": 2, "relation": "less than"}, {"num_words": 200, "relation": "at least"}],
    ),
    "hardly any word": (
        ["length_constraints:number_words", "startend:quotation"],
        [{"num_words": 2, "relation": "less than"}, {}],
    ),
    "no the": (
        ["keywords:frequency", "length_constraints:number_words"],
        [
            {"keyword": "the", "frequency": 1, "relation": "less than"},
            {"num_words": 60, "relation": "at least"},
        ],
    ),
    "a bullet in the prompt counts": (
        ["combination:repeat_prompt", "detectable_format:number_bullet_lists"],
        [{"prompt_to_repeat": "Repeat this:\n* tea\n- milk"}, {"num_bullets": 3}],
    ),
    "quoted JSON": (
        ["detectable_format:json_format", "startend:quotation", "detectable_format:title"],
        [{}, {}, {}],
    ),
    "bullets in JSON": (
        ["detectable_format:json_format", "detectable_format:number_bullet_lists"],
        [{}, {"num_bullets": 4}],
    ),
    "JSON of two answers that ends as told": (
        ["detectable_format:json_format", "combination:two_responses", "startend:end_checker"],
        [{}, {}, {"end_phrase": "Bye!"}],
    ),
    "no instruction": ([], []),
}


@pytest.mark.parametrize("item", TIGHT.values(), ids=TIGHT)
def test_tight_items(item: tuple[list[str], list[Arguments]]) -> None:
    text = ideal_response(*item)
    assert text is not None
    assert text.strip()
    assert follows(*item, text)


@pytest.mark.parametrize(
    ("instruction_ids", "kwargs"),
    [
        (["keywords:colour"], [{}]),
        (["keywords:existence"], [{"keywords": None}]),
        (["keywords:existence"], [{"keywords": ["("]}]),
        (["keywords:forbidden_words"], [{"forbidden_words": ["text", "zz("]}]),
        (["keywords:letter_frequency"], [{"letter": "!", "let_frequency": 3, "let_relation": "at least"}]),
        (["language:response_language"], [{"language": "zh"}]),
        (["punctuation:no_comma", "startend:quotation"], [{}]),
        (["length_constraints:number_words"], [{"num_words": 1, "relation": "less than"}]),
        (["startend:end_checker", "punctuation:no_comma"], [{"end_phrase": "Bye, all"}, {}]),
    ],
)
def test_none_where_no_text_can_be_written(instruction_ids: list[str], kwargs: list[Arguments]) -> None:
    assert ideal_response(instruction_ids, kwargs) is None


def test_the_same_item_gets_the_same_text() -> None:
    item: tuple[list[str], list[Arguments]] = (
        ["change_case:english_capital", "startend:quotation"],
        [{}, {}],
    )
    assert ideal_response(*item) == ideal_response(*item)


values = st.one_of(st.none(), st.integers(0, 9), st.sampled_from(["less than", "at least", "de"]), st.text())


@settings(max_examples=50)
@given(st.data())
def test_odd_arguments_give_none_or_a_text_that_follows(data: st.DataObject) -> None:
    instruction_ids = data.draw(st.lists(st.sampled_from(INSTRUCTION_IDS), max_size=2))
    kwargs = []
    for instruction_id in instruction_ids:
        names = sorted(arguments(instruction_id, Random(0), "at least"))
        kwargs.append({name: data.draw(st.one_of(values, st.lists(st.text(), max_size=2))) for name in names})
    text = ideal_response(instruction_ids, kwargs)
    assert text is None or follows(instruction_ids, kwargs, text)
