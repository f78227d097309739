"""What judging would take: calls that the store cannot answer, and what they may cost. Nothing is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fac_eval.audio import Audio
from fac_eval.codec import from_json, plain, response_from, to_json
from fac_eval.engine.judging import verdict_key
from fac_eval.interfaces import Spender
from fac_eval.remote.estimate import Estimator, Size
from fac_eval.remote.prices import Price
from fac_eval.resolve import task_rubrics
from fac_eval.vocabulary import Evidence, Text

if TYPE_CHECKING:
    from fac_eval.engine.items import Item
    from fac_eval.engine.plan import Plan, PlannedTask
    from fac_eval.store import Store

_ANSWER_TOKENS = 1024
"""How long an answer is taken to be where nothing limits it."""
_ANSWER_SECONDS = 30.0
"""How long a spoken answer is taken to be, for a judge that hears it."""


class JudgeEstimate:
    """Adds up, sample by sample, what one task's questions would take."""

    def __init__(self, plan: Plan, planned: PlannedTask, store: Store) -> None:
        self.calls = 0
        self.cost: float | None = 0.0
        """US dollars, about; None where the judge's price is not known."""
        self._planned = planned
        self._store = store
        self._judge = plan.tools.judge if "judge" in planned.needs else None
        self._rubrics = [] if self._judge is None else task_rubrics(planned.task)
        runs = {run.id: run for run in store.runs()}
        self._since = runs[plan.run_id].judged_since if plan.run_id in runs else 0.0
        if plan.config.judge_refresh:
            self._since = float("inf")
        price = getattr(self._judge, "price", None)
        self._estimator = Estimator(price) if isinstance(price, Price) else None
        self._free = not isinstance(self._judge, Spender)

    def add(self, items: Sequence[Item], answers: Mapping[bytes, bytes]) -> None:
        """Take in samples of which the store holds these answers."""
        if self._judge is None:
            return
        for item in items:
            if not item.open or item.key is None:
                continue
            calls = self._missing(item, answers.get(item.key))
            self.calls += calls
            if not self._free and self.cost is not None and calls:
                self.cost = None if self._estimator is None else self.cost + calls * self._bound(item)

    def _missing(self, item: Item, answer: bytes | None) -> int:
        """Questions about a sample whose verdict is not there."""
        expected = self._planned.task.judge_calls
        # What other stages find out is not asked here, so questions that may depend on it are not known.
        if answer is None or self._planned.needs != {"judge"}:
            return expected
        response = response_from(from_json(answer), self._store.audio.load)
        identities = self._planned.protocol["judge"]
        try:
            questions = self._planned.task.questions(item.sample, response, Evidence())
            keys = {verdict_key(identities[question.rubric], question) for question in questions}
        except Exception:  # noqa: BLE001 - a sample that will fail when the run comes to it asks nothing
            return 0
        return len(keys - set(self._store.works(list(keys), since=self._since)))

    def _bound(self, item: Item) -> float:
        """What one call about a sample costs, about: the prompt in our own words, the question, and the answer."""
        assert self._estimator is not None
        assert item.request is not None
        parts = [part for message in item.request.messages for part in message.parts]
        text = sum(len(part.text.encode()) for part in parts if isinstance(part, Text))
        text += len(to_json(plain(item.sample.reference)))
        text += item.request.settings.max_tokens or _ANSWER_TOKENS
        heard = sum(part.seconds for part in parts if isinstance(part, Audio)) + _ANSWER_SECONDS
        return max(
            self._estimator.cost_bound(
                Size(
                    text + len((rubric.own + (rubric.system or "")).encode()),
                    heard if rubric.hears else 0.0,
                    rubric.settings.max_tokens,
                    speech=False,
                )
            )
            for rubric in self._rubrics
        )
