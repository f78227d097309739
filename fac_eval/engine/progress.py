"""Progress bars, one a stage, where somebody is watching."""

from __future__ import annotations

import sys
import threading
from typing import Any, Protocol


class Progress(Protocol):
    """Hears how far each stage is. Called from any thread."""

    def start(self, title: str, stages: tuple[str, ...], total: int | None) -> None:
        """A model's work begins; `total` is the number of samples, where it is known."""

    def advance(self, stage: str, n: int, *, cached: int = 0, failed: int = 0, cost: float = 0.0) -> None:
        """`n` more samples passed a stage, of which some were known already or failed; `cost` in US dollars."""

    def say(self, message: str) -> None:
        """Something that the user should know while the run goes on."""

    def finish(self) -> None:
        """The model's work is over."""


class Silent:
    """Shows nothing but messages, which go to standard error."""

    def start(self, title: str, stages: tuple[str, ...], total: int | None) -> None:
        """Nothing is shown."""

    def advance(self, stage: str, n: int, *, cached: int = 0, failed: int = 0, cost: float = 0.0) -> None:
        """Nothing is shown."""

    def say(self, message: str) -> None:
        """Write the message."""
        sys.stderr.write(f"fac-eval: {message}\n")

    def finish(self) -> None:
        """Nothing is shown."""


class Bars:
    """tqdm bars on standard error: rate, ETA, and what was known or failed."""

    def __init__(self) -> None:
        self._bars: dict[str, Any] = {}
        self._extras: dict[str, dict[str, int]] = {}
        self._costs: dict[str, float] = {}
        self._lock = threading.Lock()

    def start(self, title: str, stages: tuple[str, ...], total: int | None) -> None:
        """Draw a bar for each stage."""
        from tqdm import tqdm

        for row, stage in enumerate(stages):
            self._bars[stage] = tqdm(
                desc=f"{title}: {stage}" if row == 0 else f"{' ' * len(title)}  {stage}",
                total=total,
                unit=" samples",
                position=row,
                leave=row == 0,
                smoothing=0.1,
                dynamic_ncols=True,
            )
            self._extras[stage] = {"known": 0, "failed": 0}

    def advance(self, stage: str, n: int, *, cached: int = 0, failed: int = 0, cost: float = 0.0) -> None:
        """Move a bar."""
        with self._lock:
            bar = self._bars.get(stage)
            if bar is None or n == 0:
                return
            extras = self._extras[stage]
            extras["known"] += cached
            extras["failed"] += failed
            self._costs[stage] = self._costs.get(stage, 0.0) + cost
            if cached or failed or cost:
                shown: dict[str, Any] = {name: count for name, count in extras.items() if count}
                if self._costs[stage]:
                    shown["cost"] = f"${self._costs[stage]:.4f}"
                bar.set_postfix(shown, refresh=False)
            bar.update(n)

    def say(self, message: str) -> None:
        """Write the message above the bars."""
        from tqdm import tqdm

        tqdm.write(f"fac-eval: {message}", file=sys.stderr)

    def finish(self) -> None:
        """Leave the bars as they stand."""
        for bar in reversed(self._bars.values()):
            bar.close()
        self._bars.clear()
        self._costs.clear()


def default_progress() -> Progress:
    """Bars on a terminal, silence elsewhere."""
    return Bars() if sys.stderr.isatty() else Silent()
