"""VoiceBench's subsets that only a judge can score: AlpacaEval, CommonEval, WildVoice, SD-QA."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from fac_eval.data.hub import DataFinder
from fac_eval.errors import MissingResource
from fac_eval.scores import Metric
from fac_eval.vocabulary import Evidence, Figure, Response, Sample, Score

from .answers import answer_text
from .judged import INVALID, Invalid, Parser, coverage, invalid_figure, over_all, read_reply
from .voicebench_task import VoiceBenchTask

if TYPE_CHECKING:
    from fac_eval.metrics.pedant import Pedant
    from fac_eval.scores import ScoreTable

LOWEST, HIGHEST = 1.0, 5.0
OFFICIAL_DRAWS = 3
"""VoiceBench's api_judge.py asks for so many replies an item; Kimi-Audio-Evalkit asks for one."""

GPT = "gpt"
"""SD-QA's accuracy by the judge's votes alone: half of the official figure, and never shown as the whole."""

REGIONS = ("aus", "gbr", "ind_n", "ind_s", "irl", "kenya", "nga", "nzl", "phl", "usa", "zaf")
Region = Literal["aus", "gbr", "ind_n", "ind_s", "irl", "kenya", "nga", "nzl", "phl", "usa", "zaf", "all"]


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """How often the judge is asked, and how its ratings are read."""

    mode: Literal["kimi", "official"] = "kimi"
    """`kimi` asks once, `official` three times; the rating is the mean over all replies."""
    invalid: Invalid = "official"
    """A reply without a rating leaves the denominator (`official`), or counts as the lowest, 1 (`count_wrong`)."""
    parser: Parser = "official"
    """`official` reads a bare number or the first `[[n]]`; `robust` also "Score: 4" and "4/5", but only 1 to 5."""


class OpenRequests(VoiceBenchTask):
    """Requests without a right answer; a judge rates each reply from 1 to 5."""

    Options = OpenOptions
    options: OpenOptions
    metrics = (Metric("rating", scale=1, unit="", main=True),)

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        if self.options.mode == "kimi":
            self.ask("voicebench/open")
        else:
            self.ask("voicebench/open-official", OFFICIAL_DRAWS)

    def rating(self, reply: str) -> float | None:
        """The rating in a reply. NaN and infinity, which official code takes for ratings, are none."""
        from fac_eval.metrics.robust_replies import find_rating
        from fac_eval.metrics.voicebench_judge import parse_rating

        robust = self.options.parser == "robust"
        rating = find_rating(reply, LOWEST, HIGHEST) if robust else parse_rating(reply)
        return rating if rating is not None and math.isfinite(rating) else None

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """The mean of the ratings. Official code checks no range; what is outside is marked."""
        read = [read_reply(verdict.reply, self.rating, self.options.invalid) for verdict in evidence.verdicts]
        ratings = [LOWEST if rating is None else rating for rating in read]
        value = math.fsum(ratings) / len(ratings)
        outside = any(not LOWEST <= rating <= HIGHEST for rating in ratings)
        return Score(
            value,
            label=INVALID if None in read else f"{value:g}",
            parts={"outside": 1.0} if outside else {},
        )

    def figures(self, table: ScoreTable) -> list[Figure]:
        """The mean rating, and how many samples have none."""
        outside = int(table.column("outside").sum())
        notes = [coverage(table), f"{outside} with ratings outside 1 to 5" if outside else None]
        rating = replace(
            table.figure(self.metrics[0]), note="; ".join(note for note in notes if note) or None
        )
        return [rating, invalid_figure(table)]

    def ideal(self, sample: Sample) -> str:
        """No answer is the right one; this one is at least about the request."""
        return f"Gladly. You asked: {sample.metadata['prompt']} Here is a short and complete answer."


class AlpacaEval(OpenRequests):
    """The instructions that every leaderboard uses, read by a synthesizer."""

    name = "voicebench/alpacaeval"
    title = "VoiceBench AlpacaEval"
    description = "Instructions in synthetic speech, rated from 1 to 5 by a judge."
    config = "alpacaeval_full"
    rows = 636


class CommonEval(OpenRequests):
    """Everyday questions, spoken by people."""

    name = "voicebench/commoneval"
    title = "VoiceBench CommonEval"
    description = "Everyday questions spoken by people, rated from 1 to 5 by a judge."
    config = "commoneval"
    rows = 200


class WildVoice(OpenRequests):
    """Requests as people make them, spoken by people."""

    name = "voicebench/wildvoice"
    title = "VoiceBench WildVoice"
    description = "Requests as people really make them, rated from 1 to 5 by a judge."
    config = "wildvoice"
    rows = 1000


@dataclass(frozen=True, slots=True)
class SdQaOptions:
    """Which speakers, how often the judge is asked, and how its verdicts are read."""

    mode: Literal["kimi", "official"] = "kimi"
    """`kimi` asks once, `official` takes the majority of three replies."""
    region: Region = "usa"
    """Where the speakers come from; the report and the public leaderboard use `usa`. `all` has each question eleven
    times, which the intervals take into account."""
    invalid: Invalid = "official"
    """`kimi` only: a reply that says neither yes nor no leaves the denominator (`official`), or counts as wrong."""
    parser: Parser = "official"
    """`official` finds yes and no inside words (`mode=kimi`) or counts a bare "yes" alone (`mode=official`); `robust`
    goes by whole words."""
    panda: Literal["off", "0.2.17", "0.2.32"] = "off"
    """`official` only: also ask PEDANT, in this version of qa-metrics, and show the mean with the judge's accuracy."""


class SdQa(VoiceBenchTask):
    """Questions of fact, asked by speakers of eleven regions."""

    name = "voicebench/sd-qa"
    title = "VoiceBench SD-QA"
    description = (
        "Questions of fact in English accents of eleven regions; a judge compares with the reference."
    )
    Options = SdQaOptions
    options: SdQaOptions
    config = "sd-qa"
    rows = 553
    columns = ("audio", "prompt", "reference")

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        if self.options.mode == "kimi":
            self.ask("voicebench/qa")
        else:
            self.ask("voicebench/qa-official", OFFICIAL_DRAWS)

    @property
    def splits(self) -> tuple[str, ...]:
        """The regions."""
        return REGIONS if self.options.region == "all" else (self.options.region,)

    @property
    def idle_options(self) -> frozenset[str]:
        """A vote always has a result, and only the official figure has a second half."""
        return frozenset({"panda"} if self.options.mode == "kimi" else {"invalid"})

    def sample(self, row: Mapping[str, Any], split: str, index: int, data: DataFinder) -> Sample:
        """One row; the same question by several speakers is one cluster."""
        base = super().sample(row, split, index, data)
        return replace(base, cluster=str(row["prompt"])) if self.options.region == "all" else base

    def check(self, data: DataFinder) -> None:
        """Make sure of the speakers, and of PEDANT where it is asked for, before hours are spent."""
        if not data.splits(self.dataset):
            raise MissingResource(
                f"the SD-QA at hand has no speakers of the region {self.options.region}.",
                remedy=f"Choose another, or run: fac-eval prepare {self.name}:region={self.options.region}",
            )
        if self._pedant is not None:
            self._pedant.start()

    @cached_property
    def _pedant(self) -> Pedant | None:
        from fac_eval.metrics.pedant import Pedant

        if self.options.mode == "kimi" or self.options.panda == "off":
            return None
        return Pedant(self.options.panda)

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """1 for an answer that the judge finds correct; officially, half of it may be PEDANT's."""
        replies = [verdict.reply for verdict in evidence.verdicts]
        if self.options.mode == "official":
            return self._voted(sample, response, replies)
        return yes_no_score(replies[0], self.options.parser, self.options.invalid)

    def _voted(self, sample: Sample, response: Response, replies: list[str]) -> Score:
        from fac_eval.metrics.robust_replies import find_yes_no
        from fac_eval.metrics.voicebench_judge import majority_vote

        if self.options.parser == "robust":
            words = {True: "yes", False: "no", None: "unclear"}
            replies = [words[find_yes_no(reply)] for reply in replies]
        vote = majority_vote(replies)
        gpt = float(vote.correct or False)
        parts = {GPT: gpt, "tie": float(vote.correct is None)}
        if self._pedant is not None:
            prompt, reference = str(sample.metadata["prompt"]), str(sample.reference)
            found = self._pedant.correct(reference.lower(), answer_text(response).lower(), prompt.lower())
            parts["panda"] = float(found)
        label = "tie" if vote.correct is None else ("no", "yes")[vote.correct]
        return Score((gpt + parts["panda"]) / 2 if "panda" in parts else gpt, label=label, parts=parts)

    def figures(self, table: ScoreTable) -> list[Figure]:
        """Accuracy, the strict one beside it, and how many samples have no verdict, or one by a tie."""
        honest = [over_all(table, "strict accuracy"), invalid_figure(table)]
        if self.options.mode == "kimi":
            return [table.figure(Metric("accuracy", main=True)), *honest]
        ties = Figure("ties", float(table.column("tie").sum()), table.n, unit="", higher_is_better=False)
        if self.options.panda == "off":
            note = "the judge's half of the official figure; the other half needs panda=0.2.17 or 0.2.32"
            return [table.figure(Metric(GPT, main=True, note=note)), *honest, ties]
        halves = [table.figure(Metric(name, of=name)) for name in (GPT, "panda")]
        return [table.figure(Metric("accuracy", main=True)), *halves, *honest, ties]


def yes_no_score(reply: str, parser: Parser, invalid: Invalid) -> Score:
    """1 for a judge's yes, 0 for its no, and what the policy says for neither."""
    from fac_eval.metrics.robust_replies import find_yes_no
    from fac_eval.metrics.voicebench_judge import parse_yes_no

    verdict = read_reply(reply, find_yes_no if parser == "robust" else parse_yes_no, invalid)
    return Score(float(verdict or False), label=INVALID if verdict is None else ("no", "yes")[verdict])
