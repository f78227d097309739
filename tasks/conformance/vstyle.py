"""Golden files `vstyle_parse`, `vstyle_aggregate` and `vstyle_align`.

An adapter takes a case's input and the file's header and returns the values to be compared with the
case's expected ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from fac_eval.metrics.judge_agreement import Agreement, agreement, agreement_by_category
from fac_eval.metrics.vstyle import (
    StyleAnswer,
    StyleScores,
    category_of,
    first_score,
    score_text,
    score_value,
    style_scores,
)

Case = Mapping[str, Any]


def parse(case_input: Case, header: Case) -> dict[str, Any]:
    """One reply's score, or what a series of calls leads to."""
    if "replies" in case_input:
        attempts = [_attempt(reply) for reply in case_input["replies"]]
        verdict = first_score(attempts, max_calls=case_input["max_retry"])
        return {
            "success": verdict.score_text is not None,
            "reply": verdict.reply,
            "gemini_score": verdict.recorded_score,
            "calls": verdict.calls,
        }
    text = score_text(case_input["reply"])
    value = None if text is None else score_value(text)
    return {
        "score_text": text or "",
        "value": value if value is None or math.isfinite(value) else str(value),
        "accepted": text is not None,
    }


def aggregate(case_input: Case, header: Case) -> dict[str, Any]:
    """The scores of each model in a set of records, in full and as the official script prints them."""
    records = [(record, score_value(record.get("gemini_score"))) for record in case_input["records"]]
    by_model: dict[str, list[StyleAnswer]] = {}
    for record, score in records:
        if score is not None and record.get("model_name") is not None:
            by_model.setdefault(record["model_name"], []).append(StyleAnswer(record.get("ability"), score))
    if not by_model:
        return {"no_data": True}
    scores = {model: style_scores(answers) for model, answers in by_model.items()}
    scores = {model: found for model, found in scores.items() if found.overall is not None}
    failed = [record.get("id") for record, score in records if score is None]
    return {
        "printed": {
            "models": {model: _printed(found) for model, found in scores.items()},
            "parse_fail_ids": failed,
        },
        "exact": {model: _exact(found) for model, found in scores.items()},
    }


def align(case_input: Case, header: Case) -> dict[str, Any]:
    """How raters and a judge agree, overall and by category."""
    categories: dict[str, str] = {}
    ratings = {name: _scores(lines, "mos", categories) for name, lines in case_input["human"].items()}
    ratings = {name: scores for name, scores in ratings.items() if scores}
    judged = _scores(case_input["model"], "gemini_score", categories)
    raters = list(ratings.values())
    found = agreement(raters, judged)
    return {
        "raters": sorted(ratings),
        "overall": [found.average_judge.n, _number(found.average_judge.rho)],
        "individual": _ascending(found.human_judge.values),
        "human_pairs": _ascending(found.human_human.values),
        "categories": {
            category: _category(part)
            for category, part in agreement_by_category(raters, judged, categories).items()
        },
    }


def _attempt(reply: Any) -> str | Exception | None:
    if isinstance(reply, Mapping):
        return RuntimeError(next(iter(reply.values())))
    attempt: str | None = reply
    return attempt


def _exact(found: StyleScores) -> dict[str, Any]:
    return {
        "overall": found.overall,
        "coverage": found.coverage,
        "categories": {name: category.mean for name, category in found.categories.items()},
        "abilities": {name: score.mean for name, score in found.sub_types.items()},
    }


def _printed(found: StyleScores) -> dict[str, Any]:
    return {
        "overall": f"{found.overall:.2f}",
        "coverage_pct": f"{100 * found.coverage:.1f}",
        "categories": {
            name: {
                "mean": f"{category.mean:.2f}",
                "n": category.n,
                "coverage_pct": f"{100 * category.coverage:.1f}",
            }
            for name, category in found.categories.items()
            if category.mean is not None
        },
        "abilities": {
            name: {"mean": f"{score.mean:.2f}", "n": score.n, "weight": f"{score.weight:.3f}"}
            for name, score in found.sub_types.items()
        },
    }


def _scores(lines: Iterable[Case], field: str, categories: dict[str, str]) -> dict[str, float]:
    """Scores by `<id>_<instruct_id>`; the first ability seen for a key goes into `categories`."""
    scores = {}
    for line in lines:
        score = score_value(line.get(field))
        if line.get("id") is None or line.get("instruct_id") is None or score is None:
            continue
        key = f"{line['id']}_{line['instruct_id']}"
        scores[key] = score
        if line.get("ability"):
            categories.setdefault(key, category_of(line["ability"]))
    return scores


def _category(part: Agreement) -> dict[str, Any]:
    return {
        "human_vs_human": [part.human_human.n, _number(part.human_human.mean)],
        "individual_vs_model": [part.human_judge.n, _number(part.human_judge.mean)],
        "overall": [part.average_judge.n, _number(part.average_judge.rho)],
    }


def _ascending(values: Iterable[float]) -> list[float | str | None]:
    return [_number(value) for value in sorted(values, key=lambda value: (math.isnan(value), value))]


def _number(value: float | None) -> float | str | None:
    return "nan" if value is not None and math.isnan(value) else value
