"""Which tokens of a reference a hypothesis got right, and its errors by kind: one alignment, always the same.

The alignment has the fewest errors possible, each substitution, deletion and insertion counting one. Where
several have equally few, this one is taken:

1. the tokens that both begin with are matched, and of the rest the tokens that both end with;
2. what is left is read from its end backwards. Of the steps that the fewest errors can still be reached by, a
   deletion is taken before a substitution, that before an insertion, and that before a match.

The counts of each kind are those of jiwer 4, whose back end has the same preferences for texts of up to some
thousand tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

Operation = Literal["match", "substitution", "deletion", "insertion"]


class EditCounts(NamedTuple):
    """How many tokens of the reference were matched, substituted and deleted, and how many inserted."""

    matches: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_tokens(self) -> int:
        """The length of the reference."""
        return self.matches + self.substitutions + self.deletions

    @property
    def hypothesis_tokens(self) -> int:
        """The length of the hypothesis."""
        return self.matches + self.substitutions + self.insertions


class AlignedToken(NamedTuple):
    """One step of an alignment: a deletion has no hypothesis token and an insertion no reference token."""

    operation: Operation
    reference: str | None
    hypothesis: str | None


def edit_counts(reference: Sequence[str], hypothesis: Sequence[str]) -> EditCounts:
    """The alignment's steps counted by kind.

    >>> edit_counts("the cat sat".split(), "the cat sat down".split())
    EditCounts(matches=3, substitutions=0, deletions=0, insertions=1)
    """
    begin, end, reversed_steps = _aligned(reference, hypothesis)
    count = reversed_steps.count
    matches = begin + end + count("match")
    return EditCounts(matches, count("substitution"), count("deletion"), count("insertion"))


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> list[AlignedToken]:
    """The alignment from the first token to the last.

    >>> [step.operation for step in align("he sat down".split(), "he was down there".split())]
    ['match', 'substitution', 'match', 'insertion']
    """
    begin, end, reversed_steps = _aligned(reference, hypothesis)
    left, right = iter(reference), iter(hypothesis)
    match: Operation = "match"
    operations = [*[match] * begin, *reversed(reversed_steps), *[match] * end]
    return [
        AlignedToken(
            operation,
            None if operation == "insertion" else next(left),
            None if operation == "deletion" else next(right),
        )
        for operation in operations
    ]


def _aligned(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, int, list[Operation]]:
    """How many tokens match at the beginning and at the end, and the steps between, the last one first."""
    if reference == hypothesis:
        return len(reference), 0, []
    begin = _shared(zip(reference, hypothesis, strict=False))
    reference, hypothesis = reference[begin:], hypothesis[begin:]
    end = _shared(zip(reversed(reference), reversed(hypothesis), strict=False))
    if end:
        reference, hypothesis = reference[:-end], hypothesis[:-end]
    if not reference:
        return begin, end, ["insertion"] * len(hypothesis)
    if not hypothesis:
        return begin, end, ["deletion"] * len(reference)
    if len(reference) == len(hypothesis) == 1:
        return begin, end, ["substitution"]
    return begin, end, _reversed_steps(reference, hypothesis)


def _shared(pairs: Iterable[tuple[str, str]]) -> int:
    """How many of the pairs hold the same token twice before one does not."""
    shared = 0
    for left, right in pairs:
        if left != right:
            break
        shared += 1
    return shared


def _reversed_steps(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Operation]:
    # As in `generic.edit_distance` a row of the table of distances is two integers: a bit for each token of
    # the reference where the next value to the right is one more, and one where it is one less. Here all
    # rows are kept, for the way back.
    places: dict[str, int] = {}
    bit = 1
    for token in reference:
        places[token] = places.get(token, 0) | bit
        bit <<= 1
    full, last = bit - 1, bit >> 1
    more, less = full, 0
    rows = []
    for token in hypothesis:
        rows.append((more, less))
        equal = places.get(token, 0)
        diagonal = (((equal & more) + more) ^ more) | equal | less
        down_more = (less | ~(diagonal | more)) << 1 | 1
        down_less = (more & diagonal) << 1
        more = full & (down_less | ~(diagonal | down_more))
        less = full & down_more & diagonal
    return _way_back(reference, hypothesis, rows, more, last)


def _way_back(
    reference: Sequence[str], hypothesis: Sequence[str], rows: list[tuple[int, int]], more: int, bit: int
) -> list[Operation]:
    """The steps from the corner of the table, whose last row has `more`, to its border."""
    steps: list[Operation] = []
    column, row = len(reference), len(hypothesis)
    while column and row:
        if more & bit:
            steps.append("deletion")
            column -= 1
            bit >>= 1
            continue
        row -= 1
        more, less = rows[row]
        if less & bit:
            # One less here than at the diagonal: a substitution would cost one more than this, a match as much.
            steps.append("insertion")
            continue
        column -= 1
        bit >>= 1
        steps.append("match" if reference[column] == hypothesis[row] else "substitution")
    rest: Operation = "deletion" if column else "insertion"
    return [*steps, *[rest] * (column + row)]
