"""A key/value cache whose rows are of different lengths, join, and leave.

Every row begins at column 0, so a row's position is its length and padding lies behind what is real: a
causal pass over several new rows needs no mask, and one row's numbers do not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .masks import for_layers, step_mask

_COLUMNS = 256
"""The fewest columns that are made room for."""


class SlotCache:
    """The keys and values of all layers of one transformer; what its layers call is `update`.

    A pass goes over the rows from some place on to the last: over all of them in a step, over the new ones alone
    when they join. `width`, `level`, `positions` and `mask` are about these.
    """

    is_compileable = False

    def __init__(self) -> None:
        self.lengths: list[int] = []
        """Real columns of each row."""
        self.moves = 0
        """How often the tensors were replaced by larger ones."""
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        self._columns: dict[torch.device, Tensor] = {}
        self._start = 0
        self._joining = 0

    @property
    def level(self) -> bool:
        """Whether all rows of the pass are equally long, so that a step needs no mask."""
        return len(set(self.lengths[self._start :])) < 2

    @property
    def width(self) -> int:
        """Columns of the longest row of the pass."""
        return max(self.lengths[self._start :], default=0)

    def join(self, lengths: Sequence[int], width: int) -> None:
        """Announce the first pass over new rows, padded on the right to `width`."""
        self._start, self._joining = len(self.lengths), width
        self.lengths += lengths

    def step(self, start: int = 0) -> None:
        """Announce a pass of one column for each row from `start` on; `lengths` then count it."""
        self._start, self._joining = start, 0
        self.lengths[start:] = [length + 1 for length in self.lengths[start:]]
        self._columns.clear()

    def update(
        self, keys: Tensor, values: Tensor, layer: int, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        """Keep a layer's new columns and return all that it may attend to."""
        rows, start, width = len(self.lengths), self._start, self.width
        self._make_room(layer, keys, rows, self._joining or width)
        kept_keys, kept_values = self._keys[layer], self._values[layer]
        if self._joining:
            for kept, new in ((kept_keys, keys), (kept_values, values)):
                kept[start:rows, :, : self._joining] = new
                kept[start:rows, :, self._joining :] = 0
            return keys, values
        if self.level:
            kept_keys[start:rows, :, width - 1 : width] = keys
            kept_values[start:rows, :, width - 1 : width] = values
        else:
            column = self._column(keys.device)
            row = torch.arange(start, rows, device=keys.device)
            kept_keys[row, :, column] = keys[:, :, 0]
            kept_values[row, :, column] = values[:, :, 0]
        return kept_keys[start:rows, :, :width], kept_values[start:rows, :, :width]

    def positions(self, device: torch.device) -> Tensor:
        """[rows, 1]: the position of each row's newest column."""
        return self._column(device)[:, None]

    def mask(self, model: Any, device: torch.device) -> Any:
        """The mask of a step for a transformer's layers."""
        if self.level:
            return for_layers(model, None)
        return step_mask(model, self._column(device) + 1, self.width)

    def keep(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order, and forget the others."""
        for new, old in enumerate(rows):
            if new != old:
                for tensor in (*self._keys, *self._values):
                    tensor[new] = tensor[old]
        self.lengths = [self.lengths[row] for row in rows]
        self._columns.clear()

    def make_room(self, columns: int) -> tuple[int, int]:
        """Make room for so many more columns; returns the rows and columns that a step of fixed shapes takes in."""
        rows = roomy(len(self.lengths), 1)
        width = roomy(max(self.lengths, default=0) + columns, _COLUMNS)
        for layer, keys in enumerate(self._keys):
            self._make_room(layer, keys, rows, width)
        return rows, width

    def fixed(self, rows: int, width: int, first: Tensor) -> FixedColumns:
        """Its first rows and columns, for a step whose first new columns are `first` [rows]."""
        return FixedColumns(
            [keys[:rows, :, :width] for keys in self._keys],
            [values[:rows, :, :width] for values in self._values],
            first,
        )

    def get_seq_length(self, layer: int = 0) -> int:
        """Columns before the present pass."""
        return 0 if self._joining else self.width - 1

    def get_query_offset(self, layer: int = 0) -> int:
        """The column that the present pass begins with."""
        return self.get_seq_length(layer)

    def get_mask_sizes(self, query_length: int, layer: int = 0) -> tuple[int, int]:
        """Columns that the present pass attends to, and the first of them."""
        return self._joining or self.width, 0

    def _make_room(self, layer: int, like: Tensor, rows: int, width: int) -> None:
        """Grow a layer's tensors. What is not real holds zeros: a masked NaN would still spread."""
        for store in (self._keys, self._values):
            assert len(store) >= layer, "a first pass goes through the layers in order"
            if len(store) == layer:
                store.append(like.new_zeros((0, like.shape[1], 0, like.shape[3])))
            old = store[layer]
            if old.shape[0] >= rows and old.shape[2] >= width:
                continue
            height = max(roomy(rows, 1), old.shape[0])
            breadth = max(roomy(width, _COLUMNS), old.shape[2])
            store[layer] = old.new_zeros((height, old.shape[1], breadth, old.shape[3]))
            store[layer][: old.shape[0], :, : old.shape[2]] = old
            self.moves += 1

    def _column(self, device: torch.device) -> Tensor:
        if device not in self._columns:
            newest = [length - 1 for length in self.lengths[self._start :]]
            self._columns[device] = torch.tensor(newest, device=device)
        return self._columns[device]


class FixedColumns:
    """A cache for steps whose every shape is fixed: which columns are new, only the device knows."""

    def __init__(self, keys: list[Tensor], values: list[Tensor], first: Tensor) -> None:
        self._keys, self._values = keys, values
        self._column = first - 1
        self._row = torch.arange(len(first), device=first.device)

    def step(self, start: int = 0) -> None:
        """Announce a pass of one column for each row."""
        self._column = self._column + 1

    def update(
        self, keys: Tensor, values: Tensor, layer: int, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        """Keep a layer's new columns and return all there are: the mask tells which of them are real."""
        kept_keys, kept_values = self._keys[layer], self._values[layer]
        kept_keys[self._row, :, self._column] = keys[:, :, 0]
        kept_values[self._row, :, self._column] = values[:, :, 0]
        return kept_keys, kept_values

    def positions(self, device: torch.device) -> Tensor:
        """[rows, 1]: the position of each row's newest column."""
        return self._column[:, None]

    def mask(self, model: Any, device: torch.device) -> Any:
        """The mask of a step for a transformer's layers."""
        return step_mask(model, self._column + 1, self._keys[0].shape[2])

    def get_seq_length(self, layer: int = 0) -> int:
        """Unknown here; those who ask are given positions."""
        return 0


def roomy(count: int, least: int) -> int:
    """`count` or somewhat more, from a short list of sizes: two for every doubling of `least`."""
    size = least
    while size < count:
        size *= 2
    smaller = size * 3 // 4
    return smaller if smaller >= max(count, least) and smaller % least == 0 else size
