"""Policies: what they say, which rule wins, and where a mistake is."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fac_eval.reports.gate.policy import (
    RULE_KEYS,
    Demand,
    Policy,
    PolicyError,
    demands_on,
    key_lines,
    matches,
    read_policy,
)

FULL = """\
# What a pull request must hold.
required = ["voicebench/mmsu", "asr"]
pair_by = "id"
across_protocols = true

[[rule]]                      # everything
max_drop = 2
max_error_rate = 0.01

[[rule]]
task = ["voicebench/*", "asr"]
metric = "unparsed"
margin = 1.5
confidence = 0.9
"significant_drop" = 0.05
min_n = 100
max_cost = 0.5
max_seconds = {p50 = 1, p95 = 2.5}

[rule.max_first_token_seconds]
mean = 0.2
"""


def policy_of(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "gate.toml"
    path.write_text(text, "utf-8")
    return read_policy(path)


def test_a_policy_with_everything(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, FULL)
    assert (policy.required, policy.required_line) == (("voicebench/mmsu", "asr"), 2)
    assert (policy.pair_by, policy.across_protocols) == ("id", True)
    first, second = policy.rules
    assert (first.tasks, first.metric, first.line) == (("*",), None, 6)
    assert first.demands == (Demand("max_drop", 2.0, 7), Demand("max_error_rate", 0.01, 8))
    assert (second.tasks, second.metric, second.line) == (("voicebench/*", "asr"), "unparsed", 10)
    assert [(one.key, one.percentile, one.limit, one.line) for one in second.demands] == [
        ("significant_drop", None, 0.05, 15),
        ("margin", None, 1.5, 13),
        ("min_n", None, 100.0, 16),
        ("max_cost", None, 0.5, 17),
        ("max_seconds", "p50", 1.0, 18),
        ("max_seconds", "p95", 2.5, 18),
        ("max_first_token_seconds", "mean", 0.2, 21),
    ]
    assert {one.confidence for one in second.demands if one.key == "margin"} == {0.9}


@pytest.mark.parametrize(
    ("text", "line", "key", "message"),
    [
        pytest.param(
            "[[rule]]\nmax_dorp = 1\n", 2, "max_dorp", "unknown key.\nDid you mean 'max_drop'", id="typo"
        ),
        pytest.param("requires = []\n", 1, "requires", "Did you mean 'required'", id="typo at the top"),
        pytest.param(
            "[[rule]]\nmax_drop = 1\n[[rule]]\nmax_seconds = {p59 = 1}\n",
            4,
            "p59",
            "'p95'",
            id="percentile",
        ),
        pytest.param(
            "[[rule]]\nmax_drop = '5 %'\n", 2, "max_drop", "expected a number, found '5 %'", id="text"
        ),
        pytest.param(
            "[[rule]]\nmax_drop = true\n", 2, "max_drop", "expected a number, found True", id="boolean"
        ),
        pytest.param(
            "[[rule]]\nmax_drop = -1\n", 2, "max_drop", "a number of at least 0, found -1", id="negative"
        ),
        pytest.param("[[rule]]\nmax_drop = nan\n", 2, "max_drop", "found nan", id="nan"),
        pytest.param("[[rule]]\nmax_drop = inf\n", 2, "max_drop", "found inf", id="infinite"),
        pytest.param(
            "[[rule]]\n\nmin_n = 0.5\n", 3, "min_n", "0.5 is not a whole number", id="half a sample"
        ),
        pytest.param(
            "[[rule]]\nmax_error_rate = 5\n",
            2,
            "max_error_rate",
            "between 0 and 1, found 5",
            id="percent for share",
        ),
        pytest.param(
            "[[rule]]\nsignificant_drop = 0.6\n", 2, "significant_drop", "between 0 and 0.5", id="level"
        ),
        pytest.param(
            "[[rule]]\nmargin = 1\nconfidence = 95\n", 3, "confidence", "between 0.5 and", id="confidence"
        ),
        pytest.param(
            "[[rule]]\nmax_drop = 1\nconfidence = 0.9\n", 3, "confidence", "no margin", id="no margin"
        ),
        pytest.param(
            "[[rule]]\nmax_seconds = 2\n", 2, "max_seconds", "a table such as {p95 = 2.0}", id="no table"
        ),
        pytest.param("[[rule]]\nmax_seconds = {}\n", 2, "max_seconds", "a table such as", id="empty table"),
        pytest.param(
            "[[rule]]\nmax_drop = 1\ntask = 3\n", 3, "task", "a task or a list of tasks, found 3", id="task"
        ),
        pytest.param(
            "[[rule]]\nmax_drop = 1\ntask = ['a', '']\n", 3, "task", "found ['a', '']", id="empty task"
        ),
        pytest.param(
            "[[rule]]\nmax_drop = 1\nmetric = 1\n", 3, "metric", "not the name of a figure", id="metric"
        ),
        pytest.param("pair_by = 'name'\n[[rule]]\nmax_drop=1\n", 1, "pair_by", "neither", id="pairing"),
        pytest.param(
            "across_protocols = 1\n[[rule]]\nmax_drop = 1\n",
            1,
            "across_protocols",
            "true or false",
            id="flag",
        ),
        pytest.param("[rule]\nmax_drop = 1\n", 1, "rule", "rules are written as [[rule]]", id="one bracket"),
        pytest.param(
            "[[rule]]\ntask = 'a'\n", 1, None, "the rule demands nothing", id="a rule without demand"
        ),
        pytest.param("", None, None, "there is no rule in it", id="empty"),
        pytest.param("[[rule]]\nmax_drop 1\n", 2, None, "this is no TOML", id="no TOML"),
        pytest.param(
            "[[rule]]\nmax_drop = 1\nmax_drop = \n", 3, "max_drop", "this is no TOML", id="a value missing"
        ),
    ],
)
def test_a_mistake_is_named_with_line_and_key(
    text: str, line: int | None, key: str | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(PolicyError) as caught:
        policy_of(tmp_path, text)
    assert (caught.value.line, caught.value.key) == (line, key)
    shown = str(caught.value)
    assert message in shown
    assert shown.startswith(str(tmp_path / "gate.toml"))
    assert line is None or f", line {line}" in shown
    assert key is None or f"key {key!r}" in shown


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read: No such file"):
        read_policy(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PolicyError, match="not UTF-8"):
        read_policy(tmp_path / "binary.toml")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(text=st.text(st.sampled_from("[]{}=.\"'#, \nrulemaxdopskt01"), max_size=80))
def test_any_text_is_a_policy_or_a_mistake_that_is_named(text: str, tmp_path: Path) -> None:
    with suppress(PolicyError):
        policy_of(tmp_path, text)


@given(
    rules=st.lists(
        st.dictionaries(
            st.sampled_from([key for key in RULE_KEYS if "seconds" not in key]), st.just(0.25), min_size=1
        ),
        min_size=1,
        max_size=4,
    ),
    gap=st.sampled_from(["", "\n", "# max_drop = 9\n"]),
)
def test_every_key_is_found_in_its_line(rules: list[dict[str, float]], gap: str) -> None:
    lines = []
    for rule in rules:
        lines += [gap.rstrip("\n"), "[[rule]]"] if gap else ["[[rule]]"]
        lines += [f"{key} = {value}" for key, value in rule.items()]
    text = "\n".join(lines)
    found = key_lines(text)
    assert len(tomllib.loads(text)["rule"]) == len(rules)
    for index, rule in enumerate(rules):
        for key in rule:
            line = found[f"rule[{index}]", key]
            assert lines[line - 1].startswith(f"{key} =")


def test_lines_of_lists_are_no_tables() -> None:
    found = key_lines('required = [\n  "a",\n  ["b"],\n]\npair_by = "id"\n[[rule]]\nmax_drop = 1\n')
    assert found["required",] == 1
    assert found["pair_by",] == 5
    assert found["rule[0]", "max_drop"] == 7


def test_later_rules_replace_earlier_ones(tmp_path: Path) -> None:
    policy = policy_of(
        tmp_path,
        "[[rule]]\nmax_drop = 1\nmin_n = 5\n[[rule]]\ntask = 'a'\nmax_drop = 3\nmax_seconds = {p50 = 1, p95 = 2}\n"
        "[[rule]]\ntask = 'a'\nmetric = 'other'\nmax_drop = 9\nmin_n = 7\nmax_seconds = {p95 = 4}\n",
    )
    found = {(metric, one.key, one.percentile): one.limit for metric, one in demands_on(policy, "a", "main")}
    assert found == {
        (None, "max_error_rate", None): 0.0,
        (None, "max_drop", None): 3.0,
        ("other", "max_drop", None): 9.0,
        (None, "min_n", None): 7.0,
        (None, "max_seconds", "p50"): 1.0,
        (None, "max_seconds", "p95"): 4.0,
    }
    # Named or not, the main figure is one figure.
    by_name = {(metric, one.key): one.limit for metric, one in demands_on(policy, "a", "other")}
    assert by_name[None, "max_drop"] == 9.0


def test_no_sample_may_fail_unless_a_rule_allows_it(tmp_path: Path) -> None:
    strict = policy_of(tmp_path, "[[rule]]\ntask = 'a'\nmax_drop = 1\n")
    assert [(one.key, one.limit) for _, one in demands_on(strict, "a", None)] == [
        ("max_error_rate", 0.0),
        ("max_drop", 1.0),
    ]
    assert demands_on(strict, "b", None) == []
    lenient = policy_of(tmp_path, "[[rule]]\nmax_error_rate = 0.1\n")
    assert [(one.key, one.limit) for _, one in demands_on(lenient, "a", None)] == [("max_error_rate", 0.1)]


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("voicebench/bbh", True),
        ("voicebench", True),
        ("*bbh", True),
        ("*", True),
        ("bbh", False),
        ("voice", False),
    ],
)
def test_patterns_of_tasks(pattern: str, meant: bool) -> None:
    assert matches("voicebench/bbh", pattern) is meant
