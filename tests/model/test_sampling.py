"""Draws and score processors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st


def test_a_draw_is_that_of_multinomial_whatever_the_neighbours() -> None:
    import torch

    from fac_eval.model.sampling import draw, draw_noise

    scores = torch.randn(4, 997, generator=torch.Generator().manual_seed(0)) * 3
    expected = [
        int(torch.multinomial(row.softmax(-1)[None], 1, generator=torch.Generator().manual_seed(seed)))
        for seed, row in enumerate(scores)
    ]
    noise = draw_noise([torch.Generator().manual_seed(seed) for seed in range(4)], 997, scores.device)
    assert draw(scores, noise[:, 0]).tolist() == expected
    torch.manual_seed(5)
    first = int(torch.multinomial(scores[:1].softmax(-1), 1))
    torch.manual_seed(5)
    assert draw(scores[:1], draw_noise([None], 997, scores.device)[:, 0]).tolist() == [first]


def test_the_penalty_counts_an_id_once_and_works_on_both_signs() -> None:
    import torch

    from fac_eval.model.sampling import Seen, penalised

    seen = Seen(4, torch.device("cpu"))
    seen.append([[0, 0, 1], []])
    seen.add(1, [3])
    scores = torch.tensor([[2.0, -2.0, 2.0, 2.0]] * 2)
    assert penalised(scores, seen.rows, 2.0).tolist() == [[1.0, -4.0, 2.0, 2.0], [2.0, -2.0, 2.0, 1.0]]
    seen.keep([1])
    assert seen.rows.tolist() == [[False, False, False, True]]


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"top_k": 2}, [0, 1]),
        ({"top_p": 0.6}, [0]),
        ({"top_p": 0.7}, [0, 1]),
        ({"top_p": 0.0001}, [0]),
        ({"temperature": 2.0}, [0, 1, 2, 3]),
        ({"top_k": 3, "top_p": 0.95}, [0, 1, 2]),
        ({"top_k": 99}, [0, 1, 2, 3]),
    ],
    ids=str,
)
def test_what_stays_after_the_cuts(settings: dict[str, Any], kept: list[int]) -> None:
    import torch

    from fac_eval.model.sampling import GenerationSettings, warped

    scores = torch.tensor([[0.64, 0.22, 0.1, 0.04]]).log()
    found = warped(scores, GenerationSettings(do_sample=True, **settings))
    assert found[0].isfinite().nonzero().flatten().tolist() == kept


@pytest.mark.parametrize(
    ("words", "history", "excluded"),
    [
        (((7,),), [1], [7]),
        (((1, 2),), [5, 1], [2]),
        (((1, 2),), [1, 5], []),
        (((3, 1, 2),), [1], []),
        (((9,), (7,)), [], [7]),
    ],
    ids=["single", "after its beginning", "elsewhere", "too short a history", "never the end"],
)
def test_bad_words(words: tuple[tuple[int, ...], ...], history: list[int], excluded: list[int]) -> None:
    import torch

    from fac_eval.model.sampling import GenerationSettings, without_bad_words

    settings = GenerationSettings(bad_words_ids=words, eos_token_ids=(9,))
    found = without_bad_words(torch.zeros(1, 10), [history], settings)
    assert found[0].isinf().nonzero().flatten().tolist() == excluded


@pytest.mark.parametrize(
    "wrong",
    [
        {"do_sample": True, "temperature": 0.0},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_k": -1},
        {"repetition_penalty": 0.0},
        {"max_new_tokens": 0},
    ],
    ids=str,
)
def test_settings_without_sense_are_refused(wrong: dict[str, Any]) -> None:
    from fac_eval.model.sampling import GenerationSettings

    name = list(wrong)[-1]
    with pytest.raises(ValueError, match=name):
        GenerationSettings(**wrong)


@given(st.lists(st.integers(0, 431), max_size=40))
def test_streamed_text_is_the_whole_text(ids: list[int]) -> None:
    from fac_eval.model.answers import text_of
    from fac_eval.model.text_stream import TextStream
    from tests.model.conftest import GOLDEN

    tokenizer = _tokenizer(str(GOLDEN / "tiny"))
    stream = TextStream(tokenizer)
    fragments = [stream.push(number) for number in ids]
    assert "".join(fragments) + stream.finish() == text_of(tokenizer, ids)


def test_a_character_appears_whole() -> None:
    from fac_eval.model.text_stream import TextStream
    from tests.model.conftest import GOLDEN

    tokenizer = _tokenizer(str(GOLDEN / "tiny"))
    ids = tokenizer.encode("é🙂一", add_special_tokens=False)
    stream = TextStream(tokenizer)
    fragments = [stream.push(number) for number in ids]
    assert [fragment for fragment in fragments if fragment] == ["é", "🙂", "一"]
    assert len(ids) > 3


_known: dict[str, Any] = {}


def _tokenizer(folder: str) -> Any:
    if folder not in _known:
        from transformers import AutoTokenizer

        _known[folder] = AutoTokenizer.from_pretrained(folder)
    return _known[folder]
