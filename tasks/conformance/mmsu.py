"""Golden file `mmsu_match`: what our official scorer says about a list of records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fac_eval.metrics.mmsu import MmsuItem, mmsu_score, mmsu_verdicts

Case = Mapping[str, Any]

_CHOICES = ("choice_a", "choice_b", "choice_c", "choice_d")


def match(case_input: Case, header: Case) -> dict[str, Any]:
    """The official accuracies of a list of records, in their order; it raises where the official scorer does."""
    items = [_item(record) for record in case_input["records"]]
    if not items:
        return {"sub": {}, "category": {}, "overall": 0, "total_count": 0}
    score = mmsu_score(items, mmsu_verdicts(items, match="official"))
    sub: dict[str, dict[str, float]] = {}
    for (category, name), count in score.sub_categories.items():
        sub.setdefault(category, {})[name] = count.correct / count.total
    return {
        "sub": sub,
        "category": {
            name: {
                "total_correct": count.correct,
                "total_count": count.total,
                "average_accuracy": count.correct / count.total,
            }
            for name, count in score.categories.items()
        },
        "overall": score.counted.correct / score.counted.total if score.counted.total else 0,
        "total_count": score.counted.total,
    }


def _item(record: Case) -> MmsuItem:
    response = record.get("response", "")
    return MmsuItem(
        response=response if isinstance(response, str) else None,
        choices=[record.get(choice, "") for choice in _CHOICES],
        answer=record.get("answer_gt", ""),
        category=record.get("category", ""),
        sub_category=record.get("sub-category", ""),
    )
