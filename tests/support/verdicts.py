"""What a fair judge says of an answer, in the form that each rubric asks for."""

from __future__ import annotations

from fac_eval.vocabulary import Question

FORMS = {
    "voicebench/open": ("5", "1"),
    "voicebench/open-official": ("5", "1"),
    "voicebench/qa": ("yes", "no"),
    "voicebench/qa-official": ("Yes", "No"),
    "voicebench/mcq": ("They mean the same.\nResult: yes", "They differ.\nResult: no"),
    "openaudiobench/alpaca_eval": ("Helpful. [[10]]", "Useless. [[1]]"),
    "openaudiobench/llama_questions": ("So the score is [Correct].", "So the score is [Incorrect]."),
    "openaudiobench/reasoning_qa": ("推理完整。[5]", "没有作答。[0]"),
    "openaudiobench/trivia_qa": (
        '{"analysis": "a match", "judgment": "correct"}',
        '{"analysis": "no match", "judgment": "incorrect"}',
    ),
}
FORMS["openaudiobench/web_questions"] = FORMS["openaudiobench/trivia_qa"]
FORMS["mmau/judge"] = FORMS["voicebench/mcq"]
FORMS["ultraeval_audio/chatbot"] = FORMS["openaudiobench/alpaca_eval"]
FORMS["mmau_pro/open"] = tuple(  # type: ignore[assignment]
    "\n".join(
        f"{name}: {mark} - so it is"
        for name in ("CORRECTNESS", "RELEVANCE", "COMPLETENESS", "CLARITY", "OVERALL")
    )
    for mark in (5, 1)
)
FORMS["vstyle"] = ("All there. [[5]]", "Nothing to hear. [[1]]")
"""The replies to an answer at its best and at its worst; one for all rubrics of a benchmark that ask alike."""


def is_right(question: Question) -> bool:
    """Whether the answer is, or is part of, the right one; where there is none, whether it is an answer at all."""
    if "answer" not in question.inputs:
        return bool(question.audio)
    answer = str(question.inputs["answer"]).strip().lower()
    right = str(question.inputs.get("reference", "")).strip().lower()
    if question.rubric in ("voicebench/mcq", "mmau/judge"):
        return answer == right
    return bool(answer) and answer in right if right else len(answer.split()) > 1


def fair(question: Question) -> str:
    """The best reply for a right answer, the worst for a wrong one."""
    best, worst = FORMS.get(question.rubric) or FORMS[question.rubric.partition("/")[0]]
    return best if is_right(question) else worst
