from __future__ import annotations

import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fac_eval.errors import AssetError, MissingResource
from fac_eval.metrics import text_resources
from fac_eval.metrics.text_resources import (
    PUNKT_SHA256,
    detect_language,
    find_punkt,
    sentence_tokenizer,
    word_tokens,
)

nltk_data = pytest.importorskip("nltk.data")
langdetect = pytest.importorskip("langdetect")

FOLDER = Path("tokenizers", "punkt_tab", "english")
TEXTS = [
    "Dr. Stone met Mr. Hill at 5 p.m. on Monday. They spoke.",
    "Well... maybe so. Fine! (Really?) \"Yes,\" he said. It's 3.14, isn't it?",
    "天气很好。我们出门。",
    "we DON'T go to the U.S.A. often; e.g. never. WELL-KNOWN maps cannot help",
    "",
    "\n\n - a\n - b ",
]


@pytest.fixture
def punkt() -> Path:
    """The real data's folder; tests that need it are skipped where it is absent."""
    try:
        return find_punkt()
    except MissingResource as error:
        pytest.skip(error.message)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine without any copy of the data."""
    monkeypatch.delenv("FAC_EVAL_ASSETS", raising=False)
    monkeypatch.setattr(nltk_data, "path", [])
    monkeypatch.setattr(text_resources, "CARRIER_FOLDER", Path("nowhere"))
    monkeypatch.setattr(text_resources.importlib.util, "find_spec", lambda name: None)
    return monkeypatch


def test_missing_data_says_what_to_do(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingResource) as caught:
        sentence_tokenizer()
    for hint in ("FAC_EVAL_ASSETS", "NLTK_DATA", "punkt_tab", "llama-index-core"):
        assert hint in str(caught.value)


@pytest.mark.parametrize("below", ["", "nltk_data"], ids=["assets-root", "nltk_data-below"])
def test_the_assets_folder_comes_first(
    below: str, punkt: Path, bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assets, other = tmp_path / "assets", tmp_path / "other"
    shutil.copytree(punkt, assets / below / FOLDER)
    shutil.copytree(punkt, other / FOLDER)
    bare.setattr(nltk_data, "path", [str(other)])
    assert find_punkt() == other / FOLDER
    bare.setenv("FAC_EVAL_ASSETS", str(assets))
    assert find_punkt() == assets / below / FOLDER
    assert sentence_tokenizer().tokenize("One. Two.") == ["One.", "Two."]


def test_the_copy_in_an_installed_package_comes_last(
    punkt: Path, bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Spec:
        submodule_search_locations = (str(tmp_path / "elsewhere"), str(tmp_path / "llama_index"))

    copy = tmp_path / "llama_index" / "core" / "_static" / "nltk_cache" / FOLDER
    shutil.copytree(punkt, copy)
    bare.setattr(text_resources.importlib.util, "find_spec", {"llama_index": Spec}.get)
    assert find_punkt() == copy


@pytest.mark.parametrize("name", sorted(PUNKT_SHA256))
def test_a_changed_file_is_refused_with_both_hashes(
    name: str, punkt: Path, bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(punkt, tmp_path / FOLDER)
    changed = tmp_path / FOLDER / name
    changed.write_bytes(changed.read_bytes() + b"\n")
    bare.setenv("FAC_EVAL_ASSETS", str(tmp_path))
    with pytest.raises(AssetError) as caught:
        sentence_tokenizer()
    assert name in str(caught.value)
    assert PUNKT_SHA256[name] in str(caught.value)
    assert hashlib.sha256(changed.read_bytes()).hexdigest() in str(caught.value)


def test_an_incomplete_folder_is_refused(punkt: Path, bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copytree(punkt, tmp_path / FOLDER)
    (tmp_path / FOLDER / "ortho_context.tab").unlink()
    bare.setenv("FAC_EVAL_ASSETS", str(tmp_path))
    with pytest.raises(MissingResource, match=r"ortho_context\.tab"):
        sentence_tokenizer()


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_and_sentences_are_those_of_nltk(
    text: str, punkt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenize = pytest.importorskip("nltk.tokenize")
    monkeypatch.setattr(nltk_data, "path", [str(punkt.parents[2])])
    assert sentence_tokenizer().tokenize(text) == tokenize.sent_tokenize(text)
    assert word_tokens(text) == tokenize.word_tokenize(text)


def test_the_model_does_not_grow_with_the_texts(punkt: Path) -> None:
    tokenizer = sentence_tokenizer()
    known = len(tokenizer._params.ortho_context)  # type: ignore[attr-defined]
    tokenizer.tokenize("Qwertzuiop asdf. Yxcvbnm? Zzyzx!")
    assert len(tokenizer._params.ortho_context) == known  # type: ignore[attr-defined]


@pytest.mark.usefixtures("punkt")
@settings(max_examples=50)
@given(st.text())
def test_any_text_can_be_split(text: str) -> None:
    assert all(sentence_tokenizer().tokenize(text))
    assert all(word_tokens(text))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The quick brown fox jumps over the lazy dog and then runs home.", "en"),
        ("Der schnelle braune Fuchs springt über den faulen Hund.", "de"),
        ("今天天气很好我们一起去公园散步吧", "zh-cn"),
        ("12345 67890", None),
        ("", None),
    ],
    ids=["english", "german", "chinese", "digits", "empty"],
)
def test_detect_language(text: str, language: str | None) -> None:
    assert detect_language(text) == language


def test_detection_repeats_itself_in_any_thread_and_leaves_langdetect_alone() -> None:
    text = "no si da ja"  # ambiguous on purpose: unseeded detection wavers on it
    text_resources._language_detector.cache_clear()
    seed = langdetect.DetectorFactory.seed
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(detect_language, [text] * 40))
    assert len(found) == 1
    assert langdetect.DetectorFactory.seed is seed
