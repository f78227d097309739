from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.metrics.ultraeval_normalize import normalize_chinese, normalize_english


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("Hello（laughs）there", "hellothere"),
        ("Hello（laughs 2）there", "hello laughs 2 there"),
        pytest.param("Hello（a(b)c）there", "hellothere", id="after other parentheses are gone"),
        ("'cause I dunno", "cause i dunno"),
        ("ten o'clock", "100 clock"),
        ("$0.75", "¢75"),
    ],
)
def test_english(text: str, normalized: str) -> None:
    pytest.importorskip("whisper_normalizer")
    assert normalize_english(text).strip() == normalized


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("", ""),
        ("生于1998年12月3日。", "生于一九九八年十二月三日 "),
        ("花了3.5元", "花了三点五元"),
        ("约200万元", "约两百万元"),
        pytest.param("打13812345678。", "打一三八一二三四五六七八 ", id="mobile phone"),
        pytest.param("打+86 13812345678。", "打八六一三八一二三四五六七八 ", id="mobile phone with country"),
        pytest.param("打010-62345678吧", "打零一零六二三四五六七八吧", id="landline"),
        ("2/3同意", "三分之二同意"),
        ("5％和7.5%", "百分之五和百分之七点五"),
        ("12只猫2条狗", "十二只猫二条狗"),
        ("编号20231105", "编号二零二三一一零五"),
        ("B2B和P2P", "B2B和P2P"),
        ("气温-5度", "气温 五度"),
        ("第00号", "第号"),
        ("^你好$", "你好"),
        pytest.param("5元，15元", "五元 十五元", id="numbers within numbers"),
        pytest.param("A15B有5个", "A一五B有五个", id="a find replaced where it first stands"),
    ],
)
def test_chinese(text: str, normalized: str) -> None:
    assert normalize_chinese(text) == normalized


@pytest.mark.parametrize(
    ("number", "spoken"),
    [
        ("2", "二"),
        ("20", "二十"),
        ("12", "十二"),
        ("200", "两百"),
        ("222", "两百二十二"),
        ("2222", "两千两百二十二"),
        ("22000", "两万两千"),
        ("1005", "一千零五"),
        ("10200", "一万零二百"),
        ("100000000", "一亿"),
        ("007", "零七"),
        ("0.25", "零点二五"),
        ("00.5", "零点五"),
        ("1" + 47 * "0", "一千载"),
    ],
)
def test_quantities(number: str, spoken: str) -> None:
    assert normalize_chinese(f"有{number}个") == f"有{spoken}个"


@given(st.text(st.sampled_from("0129.年月日元块万百个/%-+^$，。a二 ")))
def test_no_digit_survives_but_that_between_letters(text: str) -> None:
    left = normalize_chinese(text)
    assert not {"0", "1", "9", "%", "，", "。"} & set(left)
