"""Chinese text normalisers for character error rates, and the marks that they leave as they are.

None of them but `wn_zh_0115` touches numerals: 二十 against 20 counts as errors.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, Literal, cast

from fac_eval.errors import UsageError, require
from fac_eval.metrics.asr_normalize_en import PACKAGE

ChineseRules = Literal["basic", "basic_split_letters", "t2s", "wn_zh_0115"]

_PURPOSE = "Chinese text normalisation"


def normalize_zh(text: str, *, rules: ChineseRules = "basic") -> str:
    """`text` in lower case and half width, without bracketed remarks; marks, symbols, punctuation are blanks.

    `basic_split_letters` puts a blank between all characters, `t2s` makes traditional characters simplified
    first, and `wn_zh_0115` is the ChineseTextNormalizer that whisper-normalizer has since 0.1.15: it writes
    numerals as digits and removes all blanks.

    >>> normalize_zh("你好(笑)，世界！")
    '你好 世界 '
    """
    return _normalizer(rules)(text)


@functools.cache
def _normalizer(rules: ChineseRules) -> Callable[[str], str]:
    if rules == "basic":
        return cast(Callable[[str], str], _basic_module().BasicTextNormalizer())
    if rules == "basic_split_letters":
        return cast(Callable[[str], str], _basic_module().BasicTextNormalizer(split_letters=True))
    if rules == "t2s":
        basic = _normalizer("basic")
        return lambda text: basic(simplified(text))
    if rules == "wn_zh_0115":
        return _numeral_normalizer()
    raise UsageError(f"unknown Chinese rules {rules!r}: basic, basic_split_letters, t2s or wn_zh_0115")


def simplified(text: str, *, locale: Literal["zh-hans", "zh-cn"] = "zh-hans") -> str:
    """Traditional characters made simplified by zhconv; `zh-cn` also puts mainland words for regional ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about its import of pkg_resources, which works here
        package = cast(Any, require("zhconv", extra="speech", purpose="conversion to simplified Chinese"))
    return cast(str, package.convert(text, locale))


def _basic_module() -> Any:
    return require("whisper_normalizer.basic", extra="speech", purpose=_PURPOSE, package=PACKAGE)


def _numeral_normalizer() -> Callable[[str], str]:
    module = cast(
        Any,
        require(
            "whisper_normalizer.international",
            extra="speech",
            purpose="the variant wn_zh_0115",
            package=f"{PACKAGE}>=0.1.15",
        ),
    )
    return cast(Callable[[str], str], module.ChineseTextNormalizer())
