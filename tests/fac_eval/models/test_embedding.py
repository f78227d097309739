"""Embedders on tiny random weights in the published layouts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fac_eval import resolve
from fac_eval.errors import AssetError, MissingResource, UsageError
from fac_eval.models.embedding import NV_EMBED_COMMIT, NvEmbed, TransformersEmbedder, noted_pooling
from tests.support import plugins

WORDS = [
    "<pad>",
    "<s>",
    "</s>",
    "<unk>",
    *["a", "cat", "dog", "sat", "on", "the", "mat", "and", "then", "barked"],
]
TEXTS = ["the cat sat on the mat", "a dog", "the dog barked and barked and then sat"]
TEXT_CONFIG = {
    "vocab_size": len(WORDS),
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 32,
    "eos_token_id": 2,
    "model_type": "bidir_mistral",
    "_name_or_path": "nvidia/NV-Embed-v2",
}
LATENT_CONFIG = {
    "num_latents_value": 5,
    "num_cross_heads": 2,
    "cross_dim_head": 12,
    "hidden_dim": 16,
    "latent_dim": 16,
    "model_type": "latent_attention",
}


def tokenizer() -> Any:
    """Words of a small vocabulary, with a beginning mark, as Mistral's tokenizer writes one."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from tokenizers.processors import TemplateProcessing

    made = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    made.add_special_tokens(WORDS[:3])
    made.pre_tokenizer = WhitespaceSplit()
    made.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return made


@pytest.fixture(scope="module")
def nv_embed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the published one: configuration, tokenizer, and weights in two files."""
    import torch
    from safetensors.torch import save_file

    from fac_eval.models.nv_embed import LatentConfig, NvEmbedModel

    folder = tmp_path_factory.mktemp("nv_embed")
    sizes = {name: value for name, value in LATENT_CONFIG.items() if isinstance(value, int)}
    torch.manual_seed(0)
    model = NvEmbedModel(TEXT_CONFIG, LatentConfig(**sizes))
    state = {name: torch.randn(tensor.shape) * 0.4 for name, tensor in model.state_dict().items()}
    names = sorted(state)
    save_file({name: state[name] for name in names[::2]}, folder / "model-00001-of-00002.safetensors")
    save_file({name: state[name] for name in names[1::2]}, folder / "model-00002-of-00002.safetensors")
    config = {"model_type": "nvembed", "text_config": TEXT_CONFIG, "latent_attention_config": LATENT_CONFIG}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    tokenizer().save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of a few thousand weights."""
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
        initializer_range=1.0,
    )
    BertModel(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer(), pad_token="<pad>", unk_token="<unk>", model_max_length=32
    ).save_pretrained(folder)
    return folder


def alone(embedder: NvEmbed | TransformersEmbedder, texts: Sequence[str]) -> Any:
    return np.concatenate([embedder.embed([text]) for text in texts])


# NV-Embed.


def weights_of(folder: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return {name: value for file in folder.glob("*.safetensors") for name, value in load_file(file).items()}


def latent_attention(weights: dict[str, Any], hidden: Any) -> Any:
    """The pooling as the paper describes it, for one text, a head and a token at a time."""
    from math import erf

    def normed(rows: Any, name: str) -> Any:
        centred = rows - rows.mean(-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return centred / scale * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    attention, feed_forward = (f"latent_attention_model.cross_attend_blocks.{block}" for block in (0, 1))
    queries = normed(hidden, f"{attention}.norm") @ weights[f"{attention}.fn.to_q.weight"].T
    context = normed(weights["latent_attention_model.latents"], f"{attention}.norm_context")
    keys, values = np.split(context @ weights[f"{attention}.fn.to_kv.weight"].T, 2, axis=1)
    heads = []
    for head in range(2):
        part = slice(12 * head, 12 * head + 12)
        logits = queries[:, part] @ keys[:, part].T / np.sqrt(12)
        shares = np.exp(logits - logits.max(1, keepdims=True))
        heads.append(shares / shares.sum(1, keepdims=True) @ values[:, part])
    rows = hidden + np.concatenate(heads, axis=1) @ weights[f"{attention}.fn.to_out.weight"].T
    inner = normed(rows, f"{feed_forward}.norm") @ weights[f"{feed_forward}.fn.net.0.weight"].T
    kept, gates = np.split(inner + weights[f"{feed_forward}.fn.net.0.bias"], 2, axis=1)
    opened = kept * gates * 0.5 * (1 + np.vectorize(erf)(gates / np.sqrt(2)))
    rows = (
        rows
        + opened @ weights[f"{feed_forward}.fn.net.2.weight"].T
        + weights[f"{feed_forward}.fn.net.2.bias"]
    )
    mean = rows.mean(0)
    return mean / np.linalg.norm(mean)


def mistral_both_ways(folder: Path, ids: list[int]) -> Any:
    """The layers' output under an all-zero additive mask, in the library's plain attention."""
    import torch
    from transformers import MistralConfig, MistralModel

    names = ("model_type", "_name_or_path", "eos_token_id")
    config = MistralConfig(
        **{name: value for name, value in TEXT_CONFIG.items() if name not in names}, sliding_window=None
    )
    config._attn_implementation = "eager"
    model = MistralModel(config).eval()
    held = {
        name.removeprefix("embedding_model."): torch.tensor(value)
        for name, value in weights_of(folder).items()
        if name.startswith("embedding_model.")
    }
    model.load_state_dict(held)
    with torch.no_grad():
        outputs = model(input_ids=torch.tensor([ids]), attention_mask=torch.zeros(1, 1, len(ids), len(ids)))
    return outputs.last_hidden_state[0].double().numpy()


def test_nv_embed_computes_what_its_paper_says(nv_embed: Path) -> None:
    found = NvEmbed(str(nv_embed)).embed(["a dog barked"])
    ids = [1, WORDS.index("a"), WORDS.index("dog"), WORDS.index("barked"), 2]  # with both marks
    expected = latent_attention(weights_of(nv_embed), mistral_both_ways(nv_embed, ids))
    assert found.dtype == np.float32
    assert found[0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_nv_embed_does_not_depend_on_the_batch(batch_size: int, nv_embed: Path) -> None:
    embedder = NvEmbed(str(nv_embed), batch_size=batch_size)
    assert embedder.embed(TEXTS) == pytest.approx(alone(embedder, TEXTS), abs=1e-5)


def test_nv_embed_takes_an_empty_text_and_no_text(nv_embed: Path) -> None:
    embedder = NvEmbed(str(nv_embed))
    assert embedder.embed([""]).shape == (1, 16)
    assert len(embedder.embed([])) == 0


def test_half_precision_is_near(nv_embed: Path) -> None:
    full, half = (NvEmbed(str(nv_embed), dtype=dtype).embed(TEXTS) for dtype in ("float32", "bfloat16"))
    assert (full * half).sum(axis=1) == pytest.approx(np.ones(3), abs=0.02)


def copy_of(folder: Path, target: Path) -> Path:
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "model-00002-of-00002.safetensors").unlink(), "missing"),
        (lambda folder: (folder / "model-00002-of-00002.safetensors").write_bytes(b"x"), "cannot be read"),
        (lambda folder: (folder / "config.json").write_text("{}"), "config.json is not NV-Embed's"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer.json"),
        (
            lambda folder: (folder / "config.json").write_text(
                json.dumps({"text_config": {**TEXT_CONFIG, "hidden_size": 32}, "latent_attention_config": {}})
            ),
            "do not fit config.json",
        ),
    ],
    ids=["a file missing", "a file cut off", "another config", "no tokenizer", "other sizes"],
)
def test_a_damaged_folder_is_refused(damage: Any, message: str, nv_embed: Path, tmp_path: Path) -> None:
    folder = copy_of(nv_embed, tmp_path / "damaged")
    damage(folder)
    with pytest.raises(AssetError, match=message):
        NvEmbed(str(folder)).embed(["a"])


# Sentence encoders.


def bert_tokens(folder: Path, text: str) -> Any:
    import torch
    from transformers import BertModel

    ids = [1, *(WORDS.index(word) for word in text.split())]
    with torch.no_grad():
        return BertModel.from_pretrained(folder).eval()(torch.tensor([ids])).last_hidden_state[0].numpy()


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_pooling_is_what_it_is_called(pooling: Any, encoder: Path) -> None:
    embedder = TransformersEmbedder(str(encoder), pooling=pooling)
    found = embedder.embed(TEXTS)
    for row, text in zip(found, TEXTS, strict=True):
        tokens = bert_tokens(encoder, text)
        expected = {"mean": tokens.mean(0), "cls": tokens[0], "last": tokens[-1]}[pooling]
        assert row == pytest.approx(expected, abs=1e-5)


def test_a_prefix_is_put_before_every_text_and_long_texts_are_cut(encoder: Path) -> None:
    plain = TransformersEmbedder(str(encoder), pooling="mean")
    prefixed = TransformersEmbedder(str(encoder), pooling="mean", prefix="the ")
    assert prefixed.embed(["dog sat"]) == pytest.approx(plain.embed(["the dog sat"]))
    cut = TransformersEmbedder(str(encoder), pooling="mean", max_tokens=3)
    assert cut.embed(["the dog sat on"]) == pytest.approx(plain.embed(["the dog"]), abs=1e-6)
    assert plain.embed(["dog " * 500]).shape == (1, 16)


NOTES = {
    "mean": {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False},
    "cls": {"pooling_mode_cls_token": True},
    "last": {"pooling_mode_lasttoken": True, "word_embedding_dimension": 16},
}


@pytest.mark.parametrize("pooling", NOTES)
def test_auto_goes_by_the_note_beside_the_weights(pooling: str, encoder: Path, tmp_path: Path) -> None:
    folder = copy_of(encoder, tmp_path / "noted")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(NOTES[pooling]), "utf-8")
    named: Any = pooling
    found = TransformersEmbedder(str(folder)).embed(TEXTS)
    assert found == pytest.approx(TransformersEmbedder(str(folder), pooling=named).embed(TEXTS))


@pytest.mark.parametrize(
    "note", [None, {}, {"pooling_mode_max_tokens": True}, {**NOTES["mean"], **NOTES["cls"]}]
)
def test_pooling_is_never_guessed(note: Any, tmp_path: Path) -> None:
    if note is not None:
        (tmp_path / "1_Pooling").mkdir()
        (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(note), "utf-8")
    with pytest.raises(UsageError, match="pooling=mean"):
        noted_pooling(tmp_path)


# Identity.


def test_the_fingerprint_tells_weights_precision_and_pooling(encoder: Path, tmp_path: Path) -> None:
    folder = copy_of(encoder, tmp_path / "other")
    same = TransformersEmbedder(str(folder)).fingerprint
    (folder / "model.safetensors").write_bytes(b"other")
    prints = {
        TransformersEmbedder(str(encoder)).fingerprint,
        TransformersEmbedder(str(encoder), dtype="float16").fingerprint,
        TransformersEmbedder(str(encoder), pooling="mean").fingerprint,
        TransformersEmbedder(str(encoder), prefix="query: ").fingerprint,
        TransformersEmbedder(str(folder)).fingerprint,
        NvEmbed(str(encoder)).fingerprint,
    }
    assert len(prints) == 6
    assert same in prints
    assert str(encoder) not in same


def test_batch_size_and_device_are_no_part_of_the_fingerprint(nv_embed: Path) -> None:
    other = NvEmbed(str(nv_embed), batch_size=1, device="cpu")
    assert NvEmbed(str(nv_embed)).fingerprint == other.fingerprint


def test_the_published_weights_are_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None]] = []

    def identity(path: str, revision: str | None) -> str:
        asked.append((path, revision))
        return f"{path}@{revision}"

    monkeypatch.setattr("fac_eval.models.embedding.weights_identity", identity)
    assert NV_EMBED_COMMIT in NvEmbed().fingerprint
    assert asked == [("nvidia/NV-Embed-v2", NV_EMBED_COMMIT)]
    assert "a-branch" in NvEmbed(revision="a-branch").fingerprint


def test_weights_that_are_nowhere_are_missed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAC_EVAL_OFFLINE", "1")
    with pytest.raises(MissingResource, match="nvidia/NV-Embed-v2"):
        NvEmbed(revision="f" * 40).embed(["a"])


def test_specs_name_embedders(monkeypatch: pytest.MonkeyPatch, encoder: Path) -> None:
    names = {"nv-embed": "NvEmbed", "transformers": "TransformersEmbedder"}
    plugins.install(
        monkeypatch,
        "embedder",
        {name: f"fac_eval.models.embedding:{cls}" for name, cls in names.items()},
    )
    found = resolve.resolve_embedder(f"transformers:{encoder},pooling=cls,batch_size=4")
    assert isinstance(found, TransformersEmbedder)
    assert found.batch_size == 4
    assert isinstance(resolve.resolve_embedder("nv-embed"), NvEmbed)
    with pytest.raises(UsageError, match="pooling"):
        resolve.resolve_embedder(f"transformers:{encoder},pooling=max")


def test_constructing_one_loads_nothing_heavy() -> None:
    code = (
        "import sys; from fac_eval.models.embedding import NvEmbed; NvEmbed(); "
        "print([m for m in ('torch', 'transformers', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
