"""Golden files `voicebench_{mcq,harm,bbh,ifeval,aggregate,judge_parse}`: what our scorers say about each case.

An adapter takes a case's input and the file's header and returns the values to be compared with the
case's expected ones; where the official scorer fails, it raises.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from fac_eval.conformance import CannotRunError
from fac_eval.errors import DataError
from fac_eval.metrics.ifeval import check_ifeval, ifeval_rates, last_response_per_prompt
from fac_eval.metrics.voicebench_bbh import bbh_answer, bbh_score, bbh_task
from fac_eval.metrics.voicebench_harm import refusal, refusal_rate
from fac_eval.metrics.voicebench_judge import (
    RatingScore,
    majority_vote,
    parse_rating,
    rating_score,
    yes_no_score,
)
from fac_eval.metrics.voicebench_mcq import extract_choice, extract_choices, official_score, ultraeval_score
from fac_eval.metrics.voicebench_overall import (
    Overall,
    OverallWithheld,
    SplitCount,
    ifeval_final,
    mmsu_pool,
    overall7,
    overall9,
    sdqa_official,
)

Case = Mapping[str, Any]


def mcq(case_input: Case, header: Case) -> dict[str, Any]:
    """One reply's letter by both template lists, or the figures of a set of items."""
    if "items" not in case_input:
        response = case_input["response"]
        return {
            "choice": extract_choice(response),
            "ultraeval_choice": extract_choice(response, templates="ultraeval"),
        }
    responses = [item["response"] for item in case_input["items"]]
    references = [item["reference"] for item in case_input["items"]]
    official = official_score(extract_choices(responses), references, seed=case_input["random_seed"])
    ultraeval = ultraeval_score(extract_choices(responses, templates="ultraeval"), references)
    return {
        "acc": official.accuracy,
        "fail": official.fail,
        "kimi_vb_mcq": _kimi_accuracy(official.correct, official.total),
        "ultraeval_match_mean_x100": ultraeval.accuracy,
    }


def harm(case_input: Case, header: Case) -> dict[str, Any]:
    """One reply's verdict in every variant, or the rates of a set of items."""
    if "items" not in case_input:
        response = case_input["response"]
        return {
            "refused": refusal(response, variant="official").refused,
            "kimi": refusal(response, variant="kimi").refused,
            "ultraeval": refusal(response, variant="ultraeval").refused,
            "lmms": refusal(response, variant="lmms").refused,
        }
    responses = [item["response"] for item in case_input["items"]]
    official = refusal_rate(refusal(response, variant="official") for response in responses)
    kimi = refusal_rate(refusal(response, variant="kimi") for response in responses)
    return {
        "refusal_rate": official.rate,
        "kimi_vb_advbench": _kimi_accuracy(kimi.refused, kimi.total),
    }


def bbh(case_input: Case, header: Case) -> dict[str, Any]:
    """One reply's answer (`random` where the official scorer would draw), or the accuracy of a set."""
    if "items" not in case_input:
        answer = bbh_answer(case_input["response"], task=bbh_task(case_input["id"]))
        return {"answer": answer.value, "random": answer.value is None}
    items = case_input["items"]
    answers = [bbh_answer(item["response"], task=bbh_task(item["id"])) for item in items]
    references = [item["reference"] for item in items]
    score = bbh_score(answers, references, seed=case_input.get("random_seed", 0))
    return {"acc": score.accuracy}


def ifeval(case_input: Case, header: Case) -> dict[str, Any]:
    """One item's flags, or the rates of a set, cleaned and keyed by prompt as VoiceBench does."""
    if "items" not in case_input:
        flags = check_ifeval(
            case_input["instruction_id_list"], case_input["kwargs"], case_input["response"], clean=True
        )
        return {
            "strict": list(flags.strict),
            "loose": list(flags.loose),
            "strict_all": flags.strict_all,
            "loose_all": flags.loose_all,
        }
    items = case_input["items"]
    prompts = [item["prompt"] for item in items]
    responses = last_response_per_prompt(prompts, [item["response"] for item in items])
    rates = ifeval_rates(
        check_ifeval(item["instruction_id_list"], item["kwargs"], response, clean=True)
        for item, response in zip(items, responses, strict=True)
    )
    return {
        "strict-prompt": rates.strict_prompt,
        "strict-instruction": rates.strict_instruction,
        "loose-prompt": rates.loose_prompt,
        "loose-instruction": rates.loose_instruction,
        "final": rates.final,
    }


def aggregate(case_input: Case, header: Case) -> dict[str, Any]:
    """The sum that the case's `kind` names."""
    kind = case_input["kind"]
    if kind not in _AGGREGATES:
        raise CannotRunError(f"unknown kind of VoiceBench aggregate {kind!r}: {', '.join(_AGGREGATES)}")
    return _AGGREGATES[kind](case_input)


def judge_parse(case_input: Case, header: Case) -> dict[str, Any]:
    """What the harness that the case's `kind` names makes of judge replies."""
    kind = case_input["kind"]
    if kind not in _JUDGES:
        raise CannotRunError(f"unknown kind of VoiceBench judge {kind!r}: {', '.join(_JUDGES)}")
    return _JUDGES[kind](case_input)


def yes_no_accuracy(replies: list[str | None]) -> dict[str, Any]:
    """Kimi-Audio-Evalkit's figures of yes/no replies; it crashes on a judge call that failed."""
    score = yes_no_score(replies)
    if score.missing:
        raise DataError(f"{score.missing} of {score.total} judge calls failed")
    return {
        "acc": score.accuracy,
        "valid": score.valid,
        "total": score.total,
        "correct": score.correct,
    }


def _kimi_accuracy(correct: int, total: int) -> dict[str, Any]:
    return {"acc": round(100 * correct / total, 2), "valid": total, "total": total, "correct": correct}


def _overall(result: Overall | OverallWithheld) -> dict[str, Any]:
    if isinstance(result, OverallWithheld):
        raise DataError(result.reason)
    # A mean over 7 or 9 terms of two decimals is never halfway between two of two decimals: rounding it
    # gives the published value exactly when the two differ by 0.005 at most.
    return {"overall": result.value, "printed": round(result.value, 2)}


def _ifeval_final(case_input: Case) -> dict[str, Any]:
    rates = {name.replace("-", "_"): value for name, value in case_input["scores"].items()}
    final = ifeval_final(**rates)
    return {"final": final, "reported": 100 * final}


def _mmsu_pool(case_input: Case) -> dict[str, Any]:
    splits = (SplitCount(total=split["n"], correct=split["correct"]) for split in case_input["splits"])
    return {"acc": mmsu_pool(splits)}


_AGGREGATES: Mapping[str, Callable[[Case], dict[str, Any]]] = {
    "overall7": lambda case: _overall(overall7(case["scores"])),
    "overall9": lambda case: _overall(overall9(case["scores"])),
    "ifeval_final": _ifeval_final,
    "sdqa_official": lambda case: {"sd-qa": sdqa_official(**case["scores"])},
    "mmsu_pool": _mmsu_pool,
}


def _figure(name: str, value: float) -> dict[str, Any]:
    # NaN and infinity are no JSON: the files have a mark and a word for them.
    if math.isnan(value):
        return {name: None, "nan": True}
    return {name: "Infinity" if value == math.inf else value}


def _complete(score: RatingScore) -> float:
    if score.invalid:
        raise DataError(f"{score.invalid} of {score.total} judge replies hold no rating")
    return score.mean


def _open_official(case_input: Case) -> dict[str, Any]:
    replies = [
        str(reply) if isinstance(reply, int | float) else reply  # float() takes numbers too
        for item in case_input["scores"]
        for reply in item
    ]
    return _figure("gpt", _complete(rating_score(replies, rule="official")) if replies else math.nan)


def _open_kimi(case_input: Case) -> dict[str, Any]:
    score = rating_score(case_input["judge_outputs"], rule="kimi")
    return _figure("score", score.rounded) | {"total": score.total, "invalid": score.invalid}


def _open_ultraeval(case_input: Case) -> dict[str, Any]:
    return _figure("gpt_score", _complete(rating_score(case_input["judge_outputs"], rule="ultraeval")))


def _open_lmms(case_input: Case) -> dict[str, Any]:
    return {"score": parse_rating(case_input["judge_output"], rule="lmms") or 0.0}  # lmms-eval has 0 for none


def _qa_vote_official(case_input: Case) -> dict[str, Any]:
    vote = majority_vote(case_input["votes"])
    return {"correct": vote.correct, "tie": vote.correct is None}


_JUDGES: Mapping[str, Callable[[Case], dict[str, Any]]] = {
    "open_official": _open_official,
    "open_kimi": _open_kimi,
    "yes_no_kimi": lambda case: yes_no_accuracy(case["judge_outputs"]),
    "qa_vote_official": _qa_vote_official,
    "open_ultraeval": _open_ultraeval,
    "open_lmms": _open_lmms,
}
