"""The text normalisers of UltraEval-Audio's error rates (audio_evals/lib/text_normalization).

The Chinese one writes numbers out in Chinese characters and turns punctuation into blanks. It is the
published Chinese normaliser (cn_tn.py) with all its switches off.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from fac_eval.metrics.asr_normalize_en import normalize_en

# Whisper's own two rules come first: the one for full-width parentheses is applied to what they leave.
_BRACKETED = tuple(map(re.compile, (r"[<\[][^>\]]*[>\]]", r"\([^)]+\)", "（[a-z ]+）")))


def normalize_english(text: str) -> str:
    """Whisper's English normaliser with one rule more: Latin words in full-width parentheses are deleted.

    >>> normalize_english("Dr. Lee（laughs） won't go")
    'doctor lee will not go'
    """
    text = text.lower()
    for pattern in _BRACKETED:
        text = pattern.sub("", text)
    return normalize_en(text, rules="openai_whisper")


def normalize_chinese(text: str) -> str:
    """Numbers, dates, sums of money and phone numbers in Chinese characters, punctuation as blanks.

    >>> normalize_chinese("他有12只猫，花了3.5元")
    '他有十二只猫 花了三点五元'
    """
    # Official code puts marks around the text, for patterns that want a neighbour; marks that the text itself
    # begins or ends with vanish along with them.
    text = f"^{text}$"
    text = _spoken(text, _DATE, _date)
    text = _spoken(text, _MONEY, lambda match: _money(match[1]))
    text = _spoken(text, _MOBILE, lambda match: _digits(match[1].replace("+", "").replace(" ", "")))
    text = _spoken(text, _LANDLINE, lambda match: _digits(match[1].replace("-", "")))
    text = _spoken(text, _FRACTION, lambda match: f"{_number(match[3])}分之{_number(match[2])}")
    text = _spoken(text.replace("％", "%"), _PERCENT, lambda match: f"百分之{_number(match[2])}")
    text = _spoken(text, _COUNTED, lambda match: _number(match[1]))
    text = _spoken(text, _LONG_NUMBER, lambda match: _digits(match[1]))
    text = _spoken(text, _NUMBER, lambda match: _number(match[1]))
    # "B2B" was not meant as a number.
    text = _spoken(text, _TWO_BETWEEN_LETTERS, lambda match: f"{match[2]}2{match[3]}")
    return _PUNCTUATION.sub(" ", text.lstrip("^").rstrip("$"))


_DATE = re.compile(r"\D+((([089]\d|(?:19|20)\d{2})年)?(?:(\d{1,2})月(?:(\d{1,2})([日号]))?)?)")
_LARGE = "(?:亿|千万|百万|[万千百])"
_MONEY_UNIT = f"(?:{_LARGE}|{_LARGE}?[元块]|[角毛分])"
_MONEY = re.compile(rf"\D+(\d+(?:\.\d+)?[多余几]?{_MONEY_UNIT}(?:\d{_MONEY_UNIT}?)?)")
_MOBILE = re.compile(r"\D((?:\+?86 ?)?1(?:[38]\d|5[0-35-9]|7[678]|9[89])\d{8})\D")
_LANDLINE = re.compile(r"\D((?:0(?:10|2[1-3]|[3-9]\d{2})-?)?[1-9]\d{6,7})\D")
_FRACTION = re.compile(r"((\d+)/(\d+))")
_PERCENT = re.compile(r"((\d+(?:\.\d+)?)%)")
_MEASURE_WORDS = (
    "丈世丘丝两个丸代令件伏位冬出刀分刻勺匹升单卮厘双叠口只合名周啖回场块坡堂堆墙壳壶夏夜天头季客家寸对寻尺尾层山岁岭"
    "常幢年座张忽户手扎打担挑捆撮支斗斛斤日旬时春曲更月本条杯板枝根桶棵毫江泡溪炮煲片瓶盆盏盒盘石砣碗碟秋程窠笼管箩箱"
    "篮簋粒纪线罐网罗群脚腔袋袭课贯贴跳身辆辈道里针钟钧钱钵铢铺锅锱阙队阵面页顶颗首秒"
)
_COUNTED = re.compile(rf"(\d+(?:\.\d+)?)[多余几]?(?:千克|微克|千米|微米|[{_MEASURE_WORDS}])")
_LONG_NUMBER = re.compile(r"(\d{4,32})")
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)")
_TWO_BETWEEN_LETTERS = re.compile(r"(([a-zA-Z]+)二([a-zA-Z]+))")
_PUNCTUATION = re.compile(
    r"[!-/:-@\[-`{-~\u00b7\u2013\u2014\u2018\u2019\u201b-\u201f\u2026\u2027\u3001-\u3003\u3008-\u3011\u3014-\u301f"
    r"\u3030\u303e\u303f\ufe4f\uff01-\uff0d\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff64]"
)


def _spoken(text: str, pattern: re.Pattern[str], speak: Callable[[re.Match[str]], str]) -> str:
    # What was found is looked for anew: if it also stands earlier, within something else, the replacement goes
    # there. Official code does so.
    for match in list(pattern.finditer(text)):
        if match[1]:
            text = text.replace(match[1], speak(match), 1)
    return text


def _date(match: re.Match[str]) -> str:
    year, month, day, day_word = match[3], match[4], match[5], match[6]
    spoken = f"{_digits(year)}年" if year else ""
    if month:
        spoken += f"{_number(month)}月"
    if day:
        spoken += f"{_number(day)}{day_word}"
    return spoken


def _money(amount: str) -> str:
    for match in list(_NUMBER.finditer(amount)):
        amount = amount.replace(match[1], _number(match[1]))
    return amount


_NUMERALS = "零一二三四五六七八九"
_UNITS = dict(
    zip((44, 40, 36, 32, 28, 24, 20, 16, 12, 8, 4, 3, 2, 1), "载正涧沟穰秭垓京兆亿万千百十", strict=True)
)
"""Units by their number of zeros, the largest first."""

_LARGE_UNITS = frozenset(_UNITS.values()) - {"十"}


def _digits(number: str) -> str:
    """`number` read digit by digit."""
    return "".join(_NUMERALS[int(digit)] for digit in number)


def _number(number: str) -> str:
    """`number` as a quantity, which may have decimals."""
    whole, point, decimals = number.partition(".")
    spoken = _digits(whole) if len(whole) == 1 else _with_liang(_quantity(whole))
    if point:
        spoken = f"{spoken or '零'}点{_digits(decimals)}"
    return spoken.replace("一十", "十", 1) if spoken.startswith("一十") else spoken


def _quantity(number: str) -> str:
    significant = number.lstrip("0")
    if not significant:
        return ""
    if len(significant) == 1:
        return _digits(significant if len(number) == 1 else f"0{significant}")
    power = next(power for power in _UNITS if power < len(significant))
    return f"{_quantity(number[:-power])}{_UNITS[power]}{_quantity(significant[-power:])}"


def _with_liang(spoken: str) -> str:
    """两 instead of 二 where a unit larger than ten follows, at the beginning or after such a unit."""
    return "".join(
        "两" if char == "二" and after in _LARGE_UNITS and (not before or before in _LARGE_UNITS) else char
        for before, char, after in zip(["", *spoken], spoken, [*spoken[1:], ""], strict=False)
    )
