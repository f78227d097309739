"""Text embeddings on this machine: NV-Embed-v2, which MMAU-Pro's official script uses, and sentence encoders."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fac_eval.data.weights import HubWeights, hub_weights, weights_folder, weights_identity
from fac_eval.errors import AssetError, UsageError, require
from fac_eval.interfaces import Embedder
from fac_eval.models.devices import device_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from torch import Tensor

REVISION = 1
"""Raised whenever vectors of unchanged weights change."""
NV_EMBED = "nvidia/NV-Embed-v2"
NV_EMBED_COMMIT = "3fa59658547db50a1e8e3346cf057fd0c77ed6ef"
DType = Literal["float32", "float16", "bfloat16"]
Pooling = Literal["auto", "mean", "cls", "last"]


class _LocalEmbedder(Embedder):
    """What embedders with weights share: where those are, how they are named, and batches."""

    def __init__(self, path: str, revision: str | None, dtype: DType, device: str, batch_size: int) -> None:
        self._path, self._revision, self._dtype, self._device = path, revision, dtype, device
        self.batch_size = batch_size
        self._loaded: Any = None

    @cached_property
    def fingerprint(self) -> str:
        """The weights, by commit or by content, and everything that can change a vector."""
        return f"{self.name}/{json.dumps(self._identity(), sort_keys=True, separators=(',', ':'))}"

    def describe(self) -> Mapping[str, object]:
        """With the path and what identifies the weights."""
        return {**super().describe(), "path": self._path, **self._identity()}

    def _identity(self) -> dict[str, Any]:
        weights = weights_identity(self._path, self._revision)
        return {"revision": REVISION, "weights": weights, "dtype": self._dtype}

    def weights(self) -> tuple[HubWeights, ...]:
        """What has to be downloaded beforehand for a machine without internet."""
        return hub_weights(self._path, self._revision)

    def load(self) -> None:
        """Read tokenizer and weights."""
        torch: Any = require("torch", extra="model", purpose=f"the embedder {self.name!r}")
        require("transformers", extra="model", purpose=f"the embedder {self.name!r}")
        device = device_of(self._device)
        folder = weights_folder(self._path, self._revision)
        self._loaded = self._read(folder, getattr(torch, self._dtype), device)

    def close(self) -> None:
        """Give back the memory."""
        self._loaded = None

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """One row a text, in batches; a row does not depend on its neighbours but for rounding."""
        import numpy as np
        import torch

        if self._loaded is None:
            self.load()
        batches = [
            list(texts[start : start + self.batch_size]) for start in range(0, len(texts), self.batch_size)
        ]
        with torch.inference_mode():
            rows = [self._vectors(batch).float().cpu().numpy() for batch in batches]
        return np.concatenate(rows) if rows else np.zeros((0, 0), dtype=np.float32)

    @abstractmethod
    def _read(self, folder: Path, dtype: torch.dtype, device: torch.device) -> Any:
        """Whatever `_vectors` works with."""

    @abstractmethod
    def _vectors(self, texts: list[str]) -> Tensor:
        """One row a text."""


class NvEmbed(_LocalEmbedder):
    """NV-Embed-v2 without an instruction, as MMAU-Pro's official script runs it."""

    name = "nv-embed"

    def __init__(
        self,
        path: str = NV_EMBED,
        revision: str | None = None,
        dtype: DType = "float32",
        device: str = "auto",
        batch_size: int = 16,
    ) -> None:
        """`path` is a folder or a hub id.

        float32 takes 32 GB and computes in float16 on a GPU, as officially; float16 takes half, and its vectors
        differ in the last digits.
        """
        if path == NV_EMBED and revision is None:
            revision = NV_EMBED_COMMIT
        super().__init__(path, revision, dtype, device, batch_size)

    def _read(self, folder: Path, dtype: torch.dtype, device: torch.device) -> Any:
        from tokenizers import Tokenizer

        from fac_eval.models.nv_embed import MAX_TOKENS, load

        if not (folder / "tokenizer.json").is_file():
            raise AssetError(f"{folder} has no tokenizer.json.", remedy="Fetch the whole repository.")
        model = load(folder, dtype=dtype, device=device)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        eos = model.eos_token_id
        tokenizer.enable_truncation(MAX_TOKENS)
        tokenizer.enable_padding(direction="right", pad_id=eos)
        return tokenizer, model, tokenizer.id_to_token(eos), device

    def _vectors(self, texts: list[str]) -> Tensor:
        import torch

        tokenizer, model, end, device = self._loaded
        encoded = tokenizer.encode_batch([text + end for text in texts])
        ids = torch.tensor([text.ids for text in encoded], device=device)
        mask = torch.tensor([text.attention_mask for text in encoded], device=device)
        mixed = device.type == "cuda" and self._dtype == "float32"
        with torch.autocast("cuda", dtype=torch.float16) if mixed else nullcontext():
            vectors: Tensor = model(ids, mask)
        return vectors


class TransformersEmbedder(_LocalEmbedder):
    """Any text encoder that transformers knows, its last layer pooled to one vector a text."""

    name = "transformers"

    def __init__(
        self,
        path: str,
        pooling: Pooling = "auto",
        prefix: str = "",
        max_tokens: int = 512,
        revision: str | None = None,
        dtype: DType = "float32",
        device: str = "auto",
        batch_size: int = 32,
    ) -> None:
        """`path` is a folder or a hub id.

        `pooling` takes the mean over the tokens, the first one (`cls`) or the `last` one; `auto` goes by the note of
        sentence-transformers beside the weights. `prefix` is put before every text, as some models want it.
        """
        super().__init__(path, revision, dtype, device, batch_size)
        self._pooling, self._prefix, self._max_tokens = pooling, prefix, max_tokens

    def _identity(self) -> dict[str, Any]:
        own = {"pooling": self._pooling, "prefix": self._prefix, "max_tokens": self._max_tokens}
        return {**super()._identity(), **own}

    def _read(self, folder: Path, dtype: torch.dtype, device: torch.device) -> Any:
        from transformers import AutoModel, AutoTokenizer

        pooling = noted_pooling(folder) if self._pooling == "auto" else self._pooling
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder)
            model = AutoModel.from_pretrained(folder, dtype=dtype).to(device).eval()
        except (OSError, ValueError) as error:
            raise AssetError(
                f"{self._path} is no encoder that transformers can load: {error}",
                remedy="Models that bring code of their own are not run.",
            ) from error
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer, model, pooling, device

    def _vectors(self, texts: list[str]) -> Tensor:
        tokenizer, model, pooling, device = self._loaded
        inputs = tokenizer(
            [self._prefix + text for text in texts],
            padding=True,
            truncation=True,
            max_length=min(self._max_tokens, tokenizer.model_max_length),
            return_tensors="pt",
        ).to(device)
        hidden: Tensor = model(**inputs).last_hidden_state
        return pooled(hidden, inputs["attention_mask"], pooling)


def pooled(hidden: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """The vectors of texts from those of their tokens; `mask` is 1 for every token that is no padding."""
    import torch

    if pooling == "mean":
        weights = mask[..., None].to(hidden.dtype)
        return (hidden * weights).sum(dim=1) / weights.sum(dim=1)
    # Whichever side the padding is on.
    places = torch.arange(mask.shape[1], device=mask.device)
    chosen = (mask * (places + 1)).argmax(dim=1) if pooling == "last" else mask.argmax(dim=1)
    return hidden[torch.arange(len(hidden), device=hidden.device), chosen]


def noted_pooling(folder: Path) -> Pooling:
    """The pooling that sentence-transformers' note beside the weights names."""
    known: Mapping[str, Pooling] = {
        "pooling_mode_mean_tokens": "mean",
        "pooling_mode_cls_token": "cls",
        "pooling_mode_lasttoken": "last",
    }
    note = folder / "1_Pooling" / "config.json"
    try:
        held = json.loads(note.read_text("utf-8"))
    except (OSError, ValueError):
        held = {}
    modes = [name for name, value in held.items() if name.startswith("pooling_mode_") and value]
    if len(modes) != 1 or modes[0] not in known:
        said = f"names {', '.join(modes)}" if modes else "says nothing of it"
        raise UsageError(
            f"{folder}: how tokens are pooled is not known: 1_Pooling/config.json {said}.",
            remedy="Say so: pooling=mean, pooling=cls or pooling=last.",
        )
    return known[modes[0]]
