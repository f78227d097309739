from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fac_eval.errors import UsageError
from fac_eval.remote.prices import ENVIRONMENT, Price, PriceTable, Tokens, load_prices

if TYPE_CHECKING:
    from pathlib import Path

PRICE = Price(input=1, output=10, cached_input=0.5, audio_input=100, audio_output=1000)
M = 1_000_000


@pytest.fixture(autouse=True)
def _no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)


@pytest.mark.parametrize(
    ("tokens", "dollars"),
    [
        (Tokens(0, 0), 0),
        (Tokens(M, 0), 1),
        (Tokens(0, M), 10),
        (Tokens(2 * M, 2 * M, input_audio=M, output_audio=M), 1 + 100 + 10 + 1000),
        (Tokens(M, 0, cached=M // 2), 0.5 + 0.25),
        (Tokens(M, 0, input_audio=M, cached=M), 100),
        (Tokens(M, 0, cached=5 * M), 0.5),
        (Tokens(0, 0, input_audio=M), 100),
    ],
)
def test_cost(tokens: Tokens, dollars: float) -> None:
    assert PRICE.cost(tokens) == pytest.approx(dollars)


def test_what_has_no_price_of_its_own_is_priced_as_text() -> None:
    plain = Price(input=1, output=10)
    assert plain.cost(Tokens(M, M, input_audio=M, output_audio=M, cached=M)) == pytest.approx(11)


def test_the_built_in_table_is_dated_and_knows_the_usual_models() -> None:
    table = load_prices()
    assert table.as_of
    for model in ("gpt-4o-mini", "gpt-audio", "gpt-4o-audio-preview", "gemini-2.5-pro"):
        assert table.find(model) is not None
    assert table.find("my-model") is None


def test_a_snapshot_has_its_models_price_unless_it_is_listed() -> None:
    special = Price(input=9, output=9)
    table = PriceTable({"m": PRICE, "m-2024-10-01": special})
    assert table.find("m-2025-06-03") == PRICE
    assert table.find("m-2024-10-01") == special
    assert table.find("m-2025") is None


def test_files_extend_and_correct_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text('[models."mine"]\ninput = 1\noutput = 2\n[models."gpt-4o"]\ninput = 3\noutput = 4\n')
    second.write_text('[models."gpt-4o"]\ninput = 5\noutput = 6\n')
    monkeypatch.setenv(ENVIRONMENT, str(first))
    assert load_prices().find("mine") == Price(input=1, output=2)
    assert load_prices().find("gpt-4o") == Price(input=3, output=4)
    both = load_prices(second)
    assert both.find("gpt-4o") == Price(input=5, output=6)
    assert both.find("mine") == Price(input=1, output=2)
    assert both.find("gpt-4o-mini") is not None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("input = ", "malformed"),
        ('[models."m"]\ninput = 1', "output"),
        ('[models."m"]\ninput = "1"\noutput = 1', "models"),
        ('[models."m"]\ninput = 1\noutput = 1\naudio = 3', "audio"),
        ('[models."m"]\ninput = -1\noutput = 1', "0 or more"),
        ('[models."m"]\ninput = nan\noutput = 1', "0 or more"),
        ("[model.m]\ninput = 1\noutput = 1", "model"),
    ],
)
def test_malformed_files_are_refused(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"prices\.toml") as caught:
        load_prices(file)
    assert says in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "nowhere.toml"))
    with pytest.raises(UsageError, match=ENVIRONMENT):
        load_prices()
