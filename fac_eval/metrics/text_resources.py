"""Language resources that scorers lean on: Punkt sentences, NLTK word tokens, language detection.

Nothing here touches the global state of NLTK or langdetect, and a data file is used only if its bytes
are the expected ones.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, cast

from fac_eval.data.places import ASSETS_VARIABLE, assets_folders
from fac_eval.errors import AssetError, MissingResource, require

PUNKT_SHA256 = {
    "abbrev_types.txt": "92a3e070f43d9b4c5534758ca40ad7343b04e7e29bfe0c2eb658a39445a4f779",
    "collocations.tab": "8e2da1225e4dd2cc9dba261ee231ccb134859e21b46006e7f472c5ee269af0cf",
    "ortho_context.tab": "4bbcca25ed3d3f06c02402abf8419b9f033b8adc06e7b482eca4e45f81a5dc4c",
    "sent_starters.txt": "f3f8535483e1dba487241b764945168123bca3209a9645e59acd1225dc76edac",
}
"""The English punkt_tab files of NLTK's data package, by sha256."""

_PUNKT = Path("tokenizers", "punkt_tab", "english")

CARRIER_FOLDER = Path(sys.prefix, "share", "fac-eval")
"""Where `make install` puts the package llama-index-core, which carries a copy of the files, out of the way."""
_CARRIED = Path("llama_index", "core", "_static", "nltk_cache") / _PUNKT


class SentenceTokenizer(Protocol):
    """What `sentence_tokenizer` gives."""

    def tokenize(self, text: str) -> list[str]:
        """The sentences of `text`, in order."""
        ...


class _Contexts(dict[str, int]):
    """Zero for an unknown word, not remembered: NLTK's own defaultdict grows with every text it sees."""

    def __missing__(self, word: str) -> int:
        return 0


def sentence_tokenizer() -> SentenceTokenizer:
    """NLTK's English Punkt tokenizer, read once.

    Raises MissingResource if its data is not on this machine and AssetError if the data was changed.
    """
    return _load_punkt(find_punkt())


def word_tokens(text: str) -> list[str]:
    """The tokens of NLTK's `word_tokenize` for English: Punkt sentences, then Treebank-like words."""
    words = _word_tokenizer()
    return [token for sentence in sentence_tokenizer().tokenize(text) for token in words.tokenize(sentence)]


def detect_language(text: str) -> str | None:
    """The language code that langdetect gives with seed 0; None if the text has nothing to go by."""
    factory, undetectable = _language_detector()
    detector = factory.create()
    try:
        detector.append(text)
        return cast(str, detector.detect())
    except undetectable:
        return None


def find_punkt() -> Path:
    """The folder with the English punkt_tab files; the first of the known places that exists."""
    for folder in _punkt_places():
        if folder.is_dir():
            return folder
    raise MissingResource(
        "NLTK's English punkt_tab data (tokenizers/punkt_tab/english) is not on this machine.",
        remedy=(
            f"Give --assets (or set {ASSETS_VARIABLE} to) a folder that holds tokenizers/punkt_tab/english, "
            "or NLTK_DATA to an nltk_data folder, or run: python -m nltk.downloader punkt_tab. Without network access: "
            f"pip install --no-deps --target {CARRIER_FOLDER} llama-index-core, which carries a copy."
        ),
    )


def _punkt_places() -> Iterator[Path]:
    for folder in assets_folders():
        yield folder / _PUNKT
        yield folder / "nltk_data" / _PUNKT
    nltk_data = cast(Any, require("nltk.data", extra="data", purpose="sentence and word splitting"))
    for root in nltk_data.path:
        yield Path(root) / _PUNKT
    yield CARRIER_FOLDER / _CARRIED
    llama_index = importlib.util.find_spec("llama_index")
    if llama_index is not None:
        for root in llama_index.submodule_search_locations or ():
            yield Path(root).parent / _CARRIED


@functools.cache
def _load_punkt(folder: Path) -> SentenceTokenizer:
    # The verified bytes are parsed here, so that no other bytes can be read afterwards.
    punkt = cast(Any, require("nltk.tokenize.punkt", extra="data", purpose="sentence splitting"))
    lines = {name: _verified_lines(folder / name, sha256) for name, sha256 in PUNKT_SHA256.items()}
    parameters = punkt.PunktParameters()
    parameters.abbrev_types = set(lines["abbrev_types.txt"])
    parameters.sent_starters = set(lines["sent_starters.txt"])
    parameters.collocations = {tuple(line.split("\t")) for line in lines["collocations.tab"]}
    contexts = (line.split("\t") for line in lines["ortho_context.tab"])
    parameters.ortho_context = _Contexts({word: int(flags) for word, flags in contexts})
    return cast(SentenceTokenizer, punkt.PunktSentenceTokenizer(parameters))


def _verified_lines(path: Path, sha256: str) -> list[str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MissingResource(
            f"cannot read {path}: {error.strerror}",
            remedy="Copy the whole tokenizers/punkt_tab/english folder, or take this incomplete one away.",
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise AssetError(
            f"{path} is not the expected file: sha256 {found}, expected {sha256}.",
            remedy=f"Restore the file, or point {ASSETS_VARIABLE} to an unchanged copy; scores depend on it.",
        )
    return content.decode("utf-8").rstrip("\n").split("\n")


@functools.cache
def _word_tokenizer() -> SentenceTokenizer:
    tokenize = cast(Any, require("nltk.tokenize", extra="data", purpose="word splitting"))
    return cast(SentenceTokenizer, tokenize.NLTKWordTokenizer())


@functools.cache
def _language_detector() -> tuple[Any, type[Exception]]:
    # A factory of our own: the shared one of langdetect is neither seeded nor safe to build from several
    # threads, and reads its profiles in directory order, which differs between machines.
    langdetect = cast(Any, require("langdetect.detector_factory", extra="data", purpose="language detection"))
    factory = langdetect.DetectorFactory()
    profiles = sorted(Path(langdetect.PROFILES_DIRECTORY).iterdir())
    factory.load_json_profile([profile.read_text(encoding="utf-8") for profile in profiles])
    factory.set_seed(0)
    return factory, langdetect.LangDetectException
