"""How figures look, and how they are written: the same bytes for the same data, time and again."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fac_eval.errors import UsageError, require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("svg", "png", "pdf")
WIDTH = 7.2
"""Inches: the text width of most two-column papers."""
MARGIN, TITLE = 0.10, 0.24
"""Inches around a figure, and for its title."""
_LEGEND, _LEGEND_LINE, _HANDLE = 0.30, 0.15, 0.5
DOTS = 300
"""A PNG's dots per inch."""

INK = "#1f2328"
FAINT = "#667085"
GRID = "#d8dce2"
PAPER = "#ffffff"
BETTER, WORSE, UNDECIDED = "#0072b2", "#d55e00", "#7a8290"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#e69f00", "#56b4e9", "#44484f", "#8c6d31")
"""After Okabe and Ito: told apart also by eyes that see no red or no green."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
KINDS = {
    "measured": "#d55e00",
    "open": "#4f8ebf",
    "api": "#8d96a1",
    "closed": "#e2c987",
}
"""Bars by where their figures are from: own runs, and published ones by how their models can be had."""
HATCH = "/////"
DASH, DOWN, MINUS = "\u2013", " \u2193", "\u2212"

_EAST_ASIAN = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Microsoft YaHei",
    "PingFang SC",
    "WenQuanYi Micro Hei",
)
_LOOKS: Mapping[str, Any] = {
    "font.size": 7.5,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.unicode_minus": True,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": FAINT,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "hatch.linewidth": 0.6,
    "svg.fonttype": "path",
    "svg.hashsalt": "fac-eval",
    "pdf.fonttype": 42,
}


def check_file(path: Path) -> str:
    """The format that a file's name asks for.

    Raises:
        UsageError: it is none of `FORMATS`.
        MissingExtra: there is nothing to draw with.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise UsageError(
            f"{path} is no name of a figure", remedy="End it in .svg or .pdf for a paper, or in .png."
        )
    require("matplotlib", extra="report", purpose="Drawing figures")
    return kind


def write_figure(draw: Callable[[], Figure], path: Path, *, told: str) -> None:
    """Draw a figure into a file; `told` is what it shows in words, kept within the file."""
    kind = check_file(path)
    import matplotlib as mpl
    from matplotlib import font_manager

    there = set(font_manager.get_font_names())
    families = ["DejaVu Sans", *(name for name in _EAST_ASIAN if name in there)]
    held = io.BytesIO()
    with mpl.rc_context():
        mpl.rcdefaults()  # a reader's own style sheet has no say
        looks: Any = {**_LOOKS, "font.family": families}
        mpl.rcParams.update(looks)
        draw().savefig(held, format=kind, dpi=DOTS, facecolor=PAPER, metadata=_metadata(kind, told))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(held.getvalue())
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror or error}", remedy="Name a file in a folder of yours."
        ) from error


def _metadata(kind: str, told: str) -> dict[str, str | None]:
    """No dates and no versions: they would make every file another one."""
    if kind == "svg":
        return {"Creator": "fac-eval", "Date": None, "Description": told}
    if kind == "png":
        return {"Software": None, "Description": told}
    return {"Creator": "fac-eval", "Producer": None, "CreationDate": None, "Subject": told}


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure of a size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """The width in inches of a text of a size in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text.strip():
        return 0.0
    font = FontProperties(weight="bold" if bold else "normal")
    return float(TextPath((0, 0), text, size=size, prop=font).get_extents().x1) / 72


def fitted(text: str, inches: float, size: float) -> str:
    """A text, cut in its middle where it is wider than there is room."""
    if text_width(text, size) <= inches:
        return text
    keep = len(text)
    while keep > 2 and text_width(_cut(text, keep), size) > inches:
        keep -= 1
    return _cut(text, keep)


def _cut(text: str, keep: int) -> str:
    head = (keep + 1) // 2
    return f"{text[:head].rstrip()}\u2026{text[len(text) - (keep - head) :].lstrip()}"


def draw_title(figure: Figure, title: str) -> None:
    """A title in the upper left corner; nothing without one."""
    if title:
        height = figure.get_figheight()
        shown = fitted(title, figure.get_figwidth() - 0.2, 9.5)
        figure.text(0.012, 1 - 0.07 / height, shown, fontsize=9, fontweight="bold", va="top")


def fitting_size(text: str, inches: float, size: float, least: float) -> float:
    """The size in points, up to `size`, at which a bold text fits; not below `least`."""
    return max(least, min(size, size * inches / max(text_width(text, size, bold=True), 1e-6)))


@dataclass(frozen=True, slots=True)
class Legend:
    """A legend along the lower edge of a figure, in as few lines as it fits into."""

    handles: Sequence[Any]

    @property
    def height(self) -> float:
        """Inches that it takes up."""
        return _LEGEND + _LEGEND_LINE * (-(-len(self.handles) // self._columns) - 1)

    @property
    def _columns(self) -> int:
        widths = [_HANDLE + text_width(str(handle.get_label()), 7) for handle in self.handles]
        for lines in range(1, len(widths) + 1):
            columns = -(-len(widths) // lines)
            # A legend is filled column by column, and a column is as wide as its widest member.
            taken = sum(max(widths[at : at + lines]) for at in range(0, len(widths), lines))
            if taken <= WIDTH - 2 * MARGIN:
                return columns
        return 1

    def draw(self, figure: Figure) -> None:
        """Draw it; nothing without handles."""
        if self.handles:
            figure.legend(
                handles=list(self.handles),
                loc="lower left",
                bbox_to_anchor=(0.01, 0.07 / figure.get_figheight()),
                ncols=self._columns,
                handlelength=1.8,
                columnspacing=1.5,
                labelspacing=0.45,
                borderaxespad=0,
            )
