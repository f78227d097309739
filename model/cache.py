"""A key/value cache whose rows are of different lengths, join, and leave.

Every row begins at column 0, so a row's position is its length and padding lies behind what is real: a
causal pass over several new rows needs no mask, and one row's numbers do not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_ROOM = 256
"""Columns that are added at a time, so that growing is rare. They hold zeros: a masked NaN would still spread."""


class SlotCache:
    """The keys and values of all layers of one transformer; what its layers call is `update`."""

    is_compileable = False

    def __init__(self) -> None:
        self.lengths: list[int] = []
        """Real columns of each row."""
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        self._columns: dict[torch.device, Tensor] = {}
        self._new = 0
        self._first_pass = False

    @property
    def level(self) -> bool:
        """Whether all rows are equally long, so that a step needs no mask."""
        return len(set(self.lengths)) < 2

    @property
    def width(self) -> int:
        """Columns of the longest row."""
        return max(self.lengths, default=0)

    def start(self, lengths: Sequence[int], width: int) -> None:
        """Announce the first pass over new rows that are padded on the right to `width`."""
        self.lengths = list(lengths)
        self._first_pass, self._new = True, width

    def step(self) -> None:
        """Announce a pass of one column a row; `lengths` then count it."""
        self._first_pass, self._new = False, 1
        self.lengths = [length + 1 for length in self.lengths]
        self._columns.clear()

    def update(
        self, keys: Tensor, values: Tensor, layer: int, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        """Keep a layer's new columns and return all that it may attend to."""
        if self._first_pass:
            self._keep_first(keys, values, layer)
            return keys, values
        rows, width = len(self.lengths), self.width
        self._make_room(layer, width)
        kept_keys, kept_values = self._keys[layer], self._values[layer]
        if self.level:
            kept_keys[:rows, :, width - 1 : width] = keys
            kept_values[:rows, :, width - 1 : width] = values
        else:
            column = self._column(keys.device)
            row = torch.arange(rows, device=keys.device)
            kept_keys[row, :, column] = keys[:, :, 0]
            kept_values[row, :, column] = values[:, :, 0]
        return kept_keys[:rows, :, :width], kept_values[:rows, :, :width]

    def positions(self, device: torch.device) -> Tensor:
        """[rows, 1]: the position of each row's newest column."""
        return self._column(device)[:, None]

    def append(self, other: SlotCache) -> None:
        """Take over the rows of another cache of the same transformer, behind one's own."""
        if not self.lengths:
            self._keys, self._values, self.lengths = other._keys, other._values, list(other.lengths)
            self._columns.clear()
            return
        start, rows, width = len(self.lengths), len(other.lengths), other.width
        for layer, (keys, values) in enumerate(zip(other._keys, other._values, strict=True)):
            self._make_room(layer, width, start + rows)
            self._keys[layer][start : start + rows, :, :width] = keys[:, :, :width]
            self._values[layer][start : start + rows, :, :width] = values[:, :, :width]
        self.lengths += other.lengths
        self._columns.clear()

    def keep(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order, and forget the others."""
        for new, old in enumerate(rows):
            if new != old:
                for tensor in (*self._keys, *self._values):
                    tensor[new, :, : self.lengths[old]] = tensor[old, :, : self.lengths[old]]
        self.lengths = [self.lengths[row] for row in rows]
        self._columns.clear()
        if not self.lengths:
            self._keys, self._values = [], []

    def get_seq_length(self, layer: int = 0) -> int:
        """Columns before the present pass."""
        return 0 if self._first_pass else self.width - self._new

    def get_query_offset(self, layer: int = 0) -> int:
        """The column that the present pass begins with."""
        return 0 if self._first_pass else self.get_seq_length(layer)

    def get_mask_sizes(self, query_length: int, layer: int = 0) -> tuple[int, int]:
        """Columns that the present pass attends to, and the first of them."""
        return (self._new if self._first_pass else self.width), 0

    def _keep_first(self, keys: Tensor, values: Tensor, layer: int) -> None:
        rows, heads, width, size = keys.shape
        for store, new in ((self._keys, keys), (self._values, values)):
            assert len(store) == layer, "a first pass goes through the layers in order"
            store.append(new.new_zeros((rows, heads, _rounded(width), size)))
            store[layer][:, :, :width] = new

    def _make_room(self, layer: int, width: int, rows: int = 0) -> None:
        for store in (self._keys, self._values):
            old = store[layer]
            rows = max(rows, old.shape[0])
            if old.shape[0] >= rows and old.shape[2] >= width:
                continue
            grown = old.new_zeros((rows, old.shape[1], max(_rounded(width), old.shape[2]), old.shape[3]))
            grown[: old.shape[0], :, : old.shape[2]] = old
            store[layer] = grown

    def _column(self, device: torch.device) -> Tensor:
        if device not in self._columns:
            self._columns[device] = torch.tensor([length - 1 for length in self.lengths], device=device)
        return self._columns[device]


def _rounded(width: int) -> int:
    return -(-(width + 1) // _ROOM) * _ROOM
