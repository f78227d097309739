"""Cosine similarity of embedded texts, in percent."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fac_eval.errors import DataError

_SMALLEST_NORM = 1e-12


def unit_rows(vectors: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """The rows at length 1; a row of zeros stays one. Raises DataError for NaN, infinity or another shape."""
    rows = np.asarray(vectors, dtype=np.float32)
    if rows.ndim != 2:
        raise DataError(f"the embedding model gave an array of shape {rows.shape}, not one row a text")
    if not np.isfinite(rows).all():
        raise DataError("the embedding model gave vectors with NaN or infinity in them")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    units: npt.NDArray[np.float32] = rows / np.maximum(norms, np.float32(_SMALLEST_NORM))
    return units


def likeness(text: npt.NDArray[np.float32], candidates: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """100 times the cosine of one unit vector with each row of others."""
    # Summed row by row: equal rows then tie exactly, which a matrix product does not promise.
    scores: npt.NDArray[np.float32] = (candidates * text).sum(axis=1) * np.float32(100)
    return scores
