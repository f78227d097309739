"""`fac-eval judge-check`: its files, its figures, and asking a judge."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fac_eval.audio import Audio
from fac_eval.errors import DataError
from fac_eval.judges.agreement import Judged, consistency, report
from fac_eval.judges.items import Item, read_items, read_upstream, write_items
from tests.support.chat_server import no_quota
from tests.support.command_line import CommandLine, command_line
from tests.support.judge_server import JudgeServer

GOLDEN = Path(__file__).parents[1] / "golden" / "vstyle_align.jsonl"


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return command_line(capsys)


def write(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def item(number: int, judge: Any, *human: float, **more: Any) -> dict[str, Any]:
    return {"id": f"i{number}", "human": list(human), "judge": judge, **more}


GOOD = [item(n, 1 + n % 5, 1 + n % 5, max(1, n % 5), category="ab"[n % 2]) for n in range(20)]


class TestItems:
    def test_what_may_be_left_out(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f.jsonl", {"id": 3}, {"id": "x", "human": {"ada": 4}, "judge": None})
        assert read_items(path) == [Item("3"), Item("x", human={"ada": 4.0}, judge=(None,))]

    def test_what_is_written_is_read_again(self, tmp_path: Path) -> None:
        items = [
            Item("a", "c", {"1": 2.0}, (1.0, None), ("x", None), 0.0, "v/o", {"q": "é"}, ("a.wav",)),
            Item("b"),
        ]
        write_items(tmp_path / "f.jsonl", items)
        assert read_items(tmp_path / "f.jsonl") == items

    @pytest.mark.parametrize(
        ("lines", "problem"),
        [
            (['{"id": 1}', "{"], "line 2: this is no JSON"),
            (["", '["x"]'], "line 2: expected an object, not list"),
            (['{"id": "1"}', '{"id": 1}'], "line 2: the id '1' is that of line 1, too"),
            (['{"human": [1]}'], r"line 1: Object missing required field `id`"),
            (['{"id": 1, "human": ["4"]}'], r"line 1: .*human"),
            (['{"id": 1, "judge": true}'], r"line 1: .*judge"),
            (['{"id": 1, "replies": [3]}'], r"line 1: .*replies"),
            (['{"id": 1, "humans": [3]}'], r"line 1: unknown field 'humans'\nDid you mean 'human'"),
            ([""], "holds no items"),
        ],
    )
    def test_a_bad_line_is_named(self, tmp_path: Path, lines: list[str], problem: str) -> None:
        path = tmp_path / "f.jsonl"
        path.write_text("\n".join(lines), "utf-8")
        with pytest.raises(DataError, match=problem) as caught:
            read_items(path)
        assert str(path) in str(caught.value)

    def test_replies_are_read_by_the_rubrics_rule(self) -> None:
        held = Item("a", replies=("[[9]]", "none", None), judge=(1.0,), rubric="ultraeval_audio/chatbot")
        assert held.judged().scores == (9.0, None, None)


class TestUpstream:
    @pytest.mark.parametrize("line", GOLDEN.read_text("utf-8").splitlines()[1:], ids=lambda x: x[8:15])
    def test_the_correlations_are_the_official_ones(self, line: str, tmp_path: Path) -> None:
        case = json.loads(line)
        for rater, rows in case["input"]["human"].items():
            write(tmp_path / "ratings" / f"{rater}.jsonl", *rows)
        scores = write(tmp_path / "scores.jsonl", *case["input"]["model"])
        found = read_upstream(tmp_path / "ratings", scores)
        try:
            got = report(found[""], 1, 5)
        except DataError:
            assert case["expected"]["overall"][0] == 0
            return
        expected = case["expected"]
        assert [got.whole.correlations.average_judge.n, got.whole.correlations.average_judge.rho] == near(
            expected["overall"]
        )
        assert sorted_values(got.whole.correlations.human_judge.values) == near(expected["individual"])
        assert sorted_values(got.whole.correlations.human_human.values) == near(expected["human_pairs"])
        assert set(got.categories) == set(expected["categories"])
        for name, part in got.categories.items():
            humans = part.correlations.human_human
            assert [humans.n, humans.mean] == near(expected["categories"][name]["human_vs_human"])

    def test_languages_are_folders(self, tmp_path: Path) -> None:
        for language in ("en", "zh"):
            rows = [
                {"id": n, "instruct_id": 1, "mos": n % 5, "gemini_score": str(n % 5)} for n in range(1, 9)
            ]
            for rater in ("r1", "r2"):
                write(tmp_path / "ratings" / language / f"{rater}.jsonl", *rows)
            write(tmp_path / "scores" / f"{language}_res.jsonl", *rows, {"id": 9, "instruct_id": 1})
        found = read_upstream(tmp_path / "ratings", tmp_path / "scores", tmp_path / "scores")
        assert list(found) == ["en", "zh"]
        got = report(found["zh"], 1, 5)
        assert (got.raters, got.calls, got.failed, got.official) == (2, 9, 1, (8, 8, 8))
        (tmp_path / "scores" / "zh_res.jsonl").unlink()
        with pytest.raises(DataError, match="no scores of the language 'zh'"):
            read_upstream(tmp_path / "ratings", tmp_path / "scores")

    def test_a_bad_line_is_named(self, tmp_path: Path) -> None:
        write(tmp_path / "ratings" / "r1.jsonl", {"id": 1, "instruct_id": 1, "mos": 3})
        (tmp_path / "scores.jsonl").write_text("\n{", "utf-8")
        with pytest.raises(DataError, match=r"scores\.jsonl, line 2: this is no JSON"):
            read_upstream(tmp_path / "ratings", tmp_path / "scores.jsonl")

    def test_a_folder_without_raters_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="holds no ratings"):
            read_upstream(tmp_path, tmp_path / "x")


class TestFigures:
    def test_against_worked_numbers(self) -> None:
        humans = [(1, 1), (2, 3), (3, 3), (4, 5), (5, 5)]
        judge = [1, 2, 3, 5, 4]
        items = [
            Judged(str(n), None, {"a": a, "b": b}, (float(score),))
            for n, ((a, b), score) in enumerate(zip(humans, judge, strict=True))
        ]
        got = report(items, 1, 5).whole
        # Means 1, 2.5, 3, 4.5, 5 against 1, 2, 3, 5, 4: one of ten pairs stands the other way round.
        assert got.correlations.average_judge.rho == pytest.approx(0.9)
        assert got.kendall == pytest.approx(0.8)
        # b gives 1 3 3 5 5, a 1 2 3 4 5: three equal; by chance (1*1 + 2*1 + 2*1) / 25.
        assert got.human_kappa.mean == pytest.approx((0.6 - 0.2) / (1 - 0.2))

    def test_repeats(self) -> None:
        items = [
            Judged("a", None, {}, (3.0, 3.0, 3.0)),
            Judged("b", None, {}, (1.0, None, 2.0)),
            Judged("c", None, {}, (5.0,)),
            Judged("d", None, {}, (4.0, 5.0, 4.0)),
        ]
        got = consistency(items)
        assert (got.items, got.identical) == (3, 1)
        assert got.spread == pytest.approx((0 + 1 + 1) / 3)
        assert got.deviation == pytest.approx((0 + math.sqrt(0.5) + math.sqrt(1 / 3)) / 3)
        # Rounds 1 and 2 share a and d, 1 and 3 all three, 2 and 3 a and d.
        assert got.correlations.n == 3
        assert got.correlations.mean == pytest.approx(1.0)

    def test_nothing_repeated_is_no_figure(self) -> None:
        got = consistency([Judged("a", None, {}, (3.0,))])
        assert (got.items, got.spread, got.deviation, got.correlations.mean) == (0, None, None, None)

    @pytest.mark.parametrize(
        ("items", "problem"),
        [
            ([Judged("a", None, {}, (1.0,))], "no human ratings"),
            ([Judged("a", None, {"x": 1.0}, ())], "no scores of a judge"),
        ],
    )
    def test_nothing_to_compare_is_an_error(self, items: list[Judged], problem: str) -> None:
        with pytest.raises(DataError, match=problem):
            report(items, 1, 5)


class TestCommand:
    def test_a_judge_that_would_do(self, call: CommandLine, tmp_path: Path) -> None:
        outcome = call("judge-check", write(tmp_path / "f.jsonl", *GOOD))
        assert outcome.code == 0, outcome.err
        assert "It would do" in outcome.out
        head, whole, first, second, *_ = outcome.out.splitlines()
        assert head.split()[:2] == ["items", "people"]
        assert whole.split()[:2] == ["all", "20"]
        assert (first.split()[0], second.split()[0]) == ("a", "b")

    @pytest.mark.parametrize(
        ("rows", "reason"),
        [
            ([*GOOD, item(20, 7, 5, 5)], "1 of its scores are out of range"),
            ([*GOOD, item(20, None, 5, 5)], "4.8% of its answers failed"),
            ([{**row, "judge": 6 - row["judge"]} for row in GOOD], "it agrees with people at"),
            (GOOD[:1], "too few common or too uniform ratings"),
        ],
        ids=["range", "failures", "agreement", "too few"],
    )
    def test_one_that_would_not(
        self, call: CommandLine, tmp_path: Path, rows: list[dict[str, Any]], reason: str
    ) -> None:
        outcome = call("judge-check", write(tmp_path / "f.jsonl", *rows))
        assert outcome.code == 1, outcome.err
        assert f"- {reason}" in outcome.out

    def test_json(self, call: CommandLine, tmp_path: Path) -> None:
        rows = [*GOOD, item(20, [5, 4, 5], 5, 5, official=4)]
        outcome = call("judge-check", write(tmp_path / "f.jsonl", *rows), "--json")
        (got,) = outcome.json["reports"]
        assert outcome.json["passes"] is got["passes"] is True
        assert got["calls"] == 23
        assert got["repeats"]["items"] == 1
        assert got["official"] == {"n": 1, "exact": 0, "within_one": 1}
        assert got["categories"]["a"]["items"] == 10
        assert set(got["all"]["kappa"]) == {"human_human", "human_judge"}

    def test_the_scale_can_be_told(self, call: CommandLine, tmp_path: Path) -> None:
        path = write(tmp_path / "f.jsonl", *GOOD)
        assert "out of range" in call("judge-check", path, "--scale", "1-3").out
        assert call("judge-check", path, "--scale", "0-10").code == 0
        for wrong in ("3", "5-1", "a-b"):
            assert call("judge-check", path, "--scale", wrong).code == 2

    def test_upstreams_files(self, call: CommandLine, tmp_path: Path) -> None:
        rows = [{"id": n, "instruct_id": n, "mos": n % 4, "ability": "empathy/joy"} for n in range(1, 9)]
        write(tmp_path / "ratings" / "r1.jsonl", *rows)
        write(tmp_path / "ratings" / "r2.jsonl", *rows)
        scores = write(
            tmp_path / "s.jsonl",
            *({**row, "gemini_score": str(row["mos"] + 1)} for row in rows[:-1]),
            {**rows[-1], "gemini_score": "API failed: nobody there"},
        )
        outcome = call("judge-check", "--ratings", tmp_path / "ratings", "--scores", scores)
        assert outcome.code == 1
        assert "1 of 8 calls without a score" in outcome.out
        assert "mean shift against people +1.00" in outcome.out
        assert "- 12.5% of its answers failed" in outcome.out

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["--scores", "x"],
            ["f.jsonl", "--ratings", "d", "--scores", "x"],
            ["--ratings", "d", "--scores", "x", "--judge", "lexical"],
            ["missing.jsonl"],
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, call: CommandLine, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert call("judge-check", *arguments).code == 2


class TestAsking:
    def spec(self, server: JudgeServer) -> str:
        return f"{server.spec},api_key=sk-test-0123456789,max_retries=0"

    def rows(self, count: int = 6) -> list[dict[str, Any]]:
        return [
            {
                "id": n,
                "human": [1 + n % 5, 1 + n % 5],
                "rubric": "voicebench/open",
                "inputs": {"question": "How?", "answer": str(1 + n % 5)},
            }
            for n in range(count)
        ]

    def test_each_item_is_asked_about_as_often_as_told(
        self, call: CommandLine, server: JudgeServer, tmp_path: Path
    ) -> None:
        server.replies["voicebench/open"] = lambda inputs: inputs["answer"]
        path = write(tmp_path / "f.jsonl", *self.rows())
        out = tmp_path / "out.jsonl"
        outcome = call("judge-check", path, "--judge", self.spec(server), "--repeat", 3, "--out", out)
        assert outcome.code == 0, outcome.out + outcome.err
        assert "the same score on 6 of 6" in outcome.out
        assert server.counts == {"voicebench/open": 18}
        seeds = [seen.body["seed"] for seen in server.seen]
        assert len(set(seeds)) == 15, "5 different items, 3 draws each"

        again = call("judge-check", out, "--judge", self.spec(server), "--repeat", 3)
        assert (again.code, again.out) == (0, outcome.out)
        assert call("judge-check", out).out == outcome.out
        assert server.counts == {"voicebench/open": 18}, "what is there is not asked for again"

    def test_failed_calls_are_counted_and_asked_again(
        self, call: CommandLine, server: JudgeServer, tmp_path: Path
    ) -> None:
        server.replies["voicebench/open"] = lambda inputs: inputs["answer"]
        server.misbehave("server_error", times=2)
        path, out = write(tmp_path / "f.jsonl", *self.rows()), tmp_path / "out.jsonl"
        outcome = call("judge-check", path, "--judge", self.spec(server), "--out", out)
        assert outcome.code == 1
        assert "2 of 6 calls without a score" in outcome.out
        assert "2 calls failed, the first one with: model_error" in outcome.err
        assert call("judge-check", out, "--judge", self.spec(server), "--out", out).code == 0
        assert server.counts == {"voicebench/open": 8}

    def test_where_no_call_can_succeed_what_came_is_kept(
        self, call: CommandLine, server: JudgeServer, tmp_path: Path
    ) -> None:
        answers = iter(["3", "4", *[no_quota()] * 9])
        server.replies["voicebench/open"] = lambda inputs: next(answers)
        path, out = write(tmp_path / "f.jsonl", *self.rows()), tmp_path / "out.jsonl"
        spec = self.spec(server) + ",concurrency=1"
        outcome = call("judge-check", path, "--judge", spec, "--out", out)
        assert outcome.code == 2
        assert "no credit left" in outcome.err
        assert [held.replies for held in read_items(out)][:3] == [("3",), ("4",), (None,)]

    def test_clips_are_heard(self, call: CommandLine, server: JudgeServer, tmp_path: Path) -> None:
        clip = Audio.from_samples(np.zeros(1600, np.float32), 16000)
        (tmp_path / "a.wav").write_bytes(clip.encoded("wav"))
        inputs = {"instruction_type": "empathy/anger", "input_instruction": "Hm"}
        row = {"id": 1, "human": [5], "rubric": "vstyle/empathy-en", "inputs": inputs, "audio": ["a.wav"]}
        call("judge-check", write(tmp_path / "f.jsonl", row), "--judge", self.spec(server))
        assert server.seen[0].clips == 1

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"rubric": None}, "names no rubric"),
            ({"rubric": "voicebench/opn"}, "Did you mean 'voicebench/open'"),
            ({"inputs": {"question": "x"}}, "needs answer"),
        ],
    )
    def test_what_cannot_be_asked_is_told(
        self, call: CommandLine, server: JudgeServer, tmp_path: Path, change: Any, problem: str
    ) -> None:
        path = write(tmp_path / "f.jsonl", {**self.rows(1)[0], **change})
        outcome = call("judge-check", path, "--judge", self.spec(server))
        assert outcome.code == 2
        assert problem in outcome.err

    def test_a_limit_on_the_cost_is_kept(
        self, call: CommandLine, server: JudgeServer, tmp_path: Path
    ) -> None:
        prices = tmp_path / "prices.toml"
        prices.write_text('[models."judge"]\ninput = 1000\noutput = 2000\n')
        path = write(tmp_path / "f.jsonl", *self.rows())
        spec = f"{self.spec(server)},prices={prices}"
        outcome = call("judge-check", path, "--judge", spec, "--max-cost", "0.1")
        assert outcome.code == 2
        assert "--max-cost" in outcome.err
        assert server.seen == []

    def test_mixed_scales_are_refused(self, call: CommandLine, tmp_path: Path) -> None:
        rows = [item(1, 3, 4, rubric="voicebench/open"), item(2, 1, 1, rubric="voicebench/qa")]
        outcome = call("judge-check", write(tmp_path / "f.jsonl", *rows))
        assert outcome.code == 2
        assert "--scale" in outcome.err


def near(values: Any) -> Any:
    """Expected numbers within rounding; "nan" stands for NaN."""
    wanted = [math.nan if value == "nan" else value for value in values]
    return [value if value is None else pytest.approx(value, abs=1e-9, nan_ok=True) for value in wanted]


def sorted_values(values: tuple[float, ...]) -> list[float]:
    return sorted(values, key=lambda value: (math.isnan(value), value))
