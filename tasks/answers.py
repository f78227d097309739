"""What every benchmark that scores text takes from an answer."""

from __future__ import annotations

from fac_eval.errors import DataError
from fac_eval.vocabulary import Response


def answer_text(response: Response) -> str:
    """The answer that is scored; an answer without text fails its sample."""
    if response.text is None:
        raise DataError("the response holds no text")
    return response.text
