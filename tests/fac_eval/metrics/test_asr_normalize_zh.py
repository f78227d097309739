from __future__ import annotations

import sys

import pytest

from fac_eval.errors import MissingExtra, UsageError
from fac_eval.metrics import asr_normalize_zh
from fac_eval.metrics.asr_normalize_zh import ChineseRules, normalize_zh, simplified

pytest.importorskip("whisper_normalizer")


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("", ""),
        ("今天天气很好，我们去公园吧。", "今天天气很好 我们去公园吧 "),
        ("你好(笑)[音乐]", "你好"),
        ("你好（笑）", "你好 笑 "),
        ("ＡＢＣ１２㎏①½", "abc12kg11 2"),
        ("二十 20", "二十 20"),
    ],
)
def test_basic_normalized_text(text: str, normalized: str) -> None:
    assert normalize_zh(text) == normalized


@pytest.mark.parametrize(
    ("rules", "module", "normalized"),
    [
        ("basic", "whisper_normalizer", "漢語 二十五 "),
        ("basic_split_letters", "whisper_normalizer", "漢 語 二 十 五 "),
        ("t2s", "zhconv", "汉语 二十五 "),
        ("wn_zh_0115", "whisper_normalizer.international", "漢語25"),
    ],
)
def test_variants_by_name(rules: ChineseRules, module: str, normalized: str) -> None:
    pytest.importorskip(module)
    assert normalize_zh("漢語，二十五。", rules=rules) == normalized


def test_locale_decides_over_regional_words() -> None:
    pytest.importorskip("zhconv")
    assert simplified("軟體") == "软体"
    assert simplified("軟體", locale="zh-cn") == "软件"


@pytest.mark.parametrize(
    ("rules", "module", "named"),
    [
        ("basic", "whisper_normalizer.basic", "'whisper-normalizer'"),
        ("t2s", "zhconv", "'zhconv'"),
        ("wn_zh_0115", "whisper_normalizer.international", "'whisper-normalizer>=0.1.15'"),
    ],
)
def test_the_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, rules: ChineseRules, module: str, named: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    asr_normalize_zh._normalizer.cache_clear()
    with pytest.raises(MissingExtra, match=named):
        normalize_zh("文", rules=rules)


def test_unknown_rules_are_refused() -> None:
    with pytest.raises(UsageError, match="wetext"):
        normalize_zh("文", rules="wetext")  # type: ignore[arg-type]
