"""Whatever a data set, a model or a judge says is text on the page, and never anything else."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import fac_eval
from fac_eval import Capabilities, Model, Request, Response, Sample, Score, Task
from fac_eval.interfaces import Judge, QualityMeter, Transcriber
from fac_eval.reports.runs import find_runs
from fac_eval.reports.site.export import write_site
from fac_eval.reports.site.server import Pages, SiteServer
from fac_eval.scores import Metric, ScoreTable
from fac_eval.vocabulary import Evidence, Figure, Message, Question, Text, Tool, ToolCall, Verdict, user
from tests.reports.site.world import tone
from tests.support.browser import Page, needs_browser

pytestmark = needs_browser

_OWN = "document.documentElement.dataset.owned="


def evil(where: str) -> str:
    """Everything that could get out of a text, with the place that it was put into."""
    link = f'<a href="javascript:{_OWN}2">x</a>'
    return (
        f"{where} </script><script>{_OWN}'{where}'</script><img src=x onerror=\"{_OWN}'{where}'\">"
        f"\"'><svg onload={_OWN}1>{link}${{{_OWN}3}}{{{{7*7}}}}\u2028\u2029<!--]]>&lt;b&gt;\\"
    )


class Hostile(Task):
    """Every field of every sample and score is an attack."""

    name = "hostile"
    output = "speech"
    needs = frozenset({"transcript", "quality", "judge"})
    rubrics = ("voicebench/open",)
    metrics = (Metric(evil("metric"), main=True, note=evil("note")),)

    def samples(self, data: object) -> Iterator[Sample]:
        for i in range(4):
            yield Sample(
                id=f"{i} {evil('id')}",
                messages=(
                    Message("system", (Text(evil("system")),)),
                    user(Text(evil("prompt")), Text(f"number {i}"), tone(200 + i)),
                    Message("assistant", (), (ToolCall(evil("past-call"), evil("past-arguments")),)),
                ),
                reference={
                    "tool_calls": [
                        {"name": evil("wanted"), "arguments": {evil("wanted-key"): evil("wanted-value")}}
                    ]
                }
                if i % 2
                else evil("reference"),
                choices=(evil("choice"), "b"),
                tools=(Tool(evil("tool"), evil("tool-text"), {evil("schema"): evil("schema-value")}),),
                metadata={
                    evil("meta-key"): evil(f"meta-value-{i % 2}"),
                    "__proto__": evil("proto"),
                    "constructor": f"c{i % 2}",
                },
                cluster=evil("cluster"),
            )

    def data_fingerprint(self, data: object) -> str:
        return evil("fingerprint")

    def skip(self, sample: Sample) -> str | None:
        return evil("skip") if sample.id.startswith("3") else None

    def questions(self, sample: Sample, response: Response, evidence: Evidence) -> Sequence[Question]:
        return (Question("voicebench/open", {"id": sample.id}),)

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        return Score(
            float(sample.id[0] == "0"),
            label=evil("label"),
            explanation=evil("explanation"),
            parts={evil("part"): 1.0},
            evidence={evil("evidence"): evil("evidence-value")},
        )

    def figures(self, table: ScoreTable) -> list[Figure]:
        return [
            *super().figures(table),
            Figure(evil("figure"), 3.0, table.n, unit=evil("unit"), note=evil("figure-note")),
        ]


class HostileModel(Model):
    """Says nothing but attacks."""

    capabilities = Capabilities(outputs=frozenset({"text", "speech"}), tools=True)

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def fingerprint(self) -> str:
        return evil("model-fingerprint") + self.name

    def describe(self) -> Mapping[str, object]:
        return {"name": self.name, "fingerprint": self.fingerprint, evil("info"): evil("info-value")}

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Response:
        if self.name == "b" and "number 2" in request.messages[1].text:
            return Response.failed("model_error", evil("error"), raw=evil("raw"))
        return Response(
            text=evil("answer"),
            speech=tone(150),
            tool_calls=(
                ToolCall(evil("call"), f'{{"constructor": 1, "{"k"}": 2}}'),
                ToolCall("f", evil("arguments")),
            ),
            finish_reason=evil("finish") if request.seed % 2 else "constructor",
            details={evil("detail"): evil("detail-value"), "constructor": "c"},
        )


class Ears(Transcriber):
    name = "ears"
    fingerprint = "ears"

    def transcribe(self, clips: Sequence[Any], language: str | None = None) -> list[str]:
        return [evil("transcript") for _ in clips]


class Meter(QualityMeter):
    name = "meter"
    fingerprint = "meter"

    def measure(self, clips: Sequence[Any]) -> list[Mapping[str, float]]:
        return [{evil("quality"): 1.0, "constructor": 2.0} for _ in clips]


class HostileJudge(Judge):
    name = evil("judge")
    fingerprint = evil("judge-fingerprint")

    async def judge(self, question: Question) -> Verdict:
        return Verdict(evil("verdict"), evil("rubric"), evil("wording"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("hostile") / "<img src=x onerror=1>")
    models = [HostileModel(evil("model-a")), HostileModel("b")]
    fac_eval.run(
        models,
        Hostile(),
        transcriber=Ears(),
        quality=Meter(),
        judge=HostileJudge(),
        store=folder,
        progress=False,
    )
    return folder


@contextmanager
def served(store: str) -> Iterator[str]:
    with SiteServer(Pages(lambda: find_runs([], store))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.url
        server.shutdown()
        thread.join()


_INTRUDERS = """[...document.querySelectorAll('*')].filter((one) =>
    ['IMG', 'IFRAME', 'OBJECT', 'EMBED', 'STYLE', 'B'].includes(one.tagName)
    || (one.tagName === 'SCRIPT' && one.getAttribute('src') !== 'app.js' && !one.src.includes('/data/'))
    || [...one.attributes].some((a) => a.name.startsWith('on'))
    || ['href', 'src'].some((name) => /^\\s*javascript:/i.test(one.getAttribute(name) ?? '')))
  .map((one) => one.outerHTML.slice(0, 200))"""


# Where the pages must show what was planted; a field that no page shows would not have been tried.
_PLANTED = (
    "metric id system prompt past-call past-arguments wanted wanted-key wanted-value reference choice "
    "tool tool-text schema meta-key meta-value-1 proto cluster skip label explanation part evidence "
    "figure figure-note error raw answer call arguments finish detail detail-value transcript quality "
    "verdict wording model-a judge "
)


def check(page: Page, base: str, *, live: bool) -> set[str]:
    """Visit every page, and return which of the planted texts were seen on them."""
    seen = ""
    task, sample = quote("hostile", safe=""), [quote(f"{i} {evil('id')}", safe="") for i in range(4)]
    a = quote(evil("model-a"), safe="")
    routes = [
        "", f"task/{task}", f"samples/{task}", f"samples/{task}?q={a}&show={a}&label={a}&m.{a}={a}&sort={a}",
        *(f"sample/{task}/{one}?b=b" for one in sample), f"task/{a}", f"sample/{task}/{a}", f"{a}/{a}?{a}={a}",
        "runs", "cost", *(["live"] if live else []),
    ]  # fmt: skip
    for route in routes:
        page.go(f"{base}#/{route}")
        page.until("!/Reading|^$/.test(document.querySelector('main').innerText)")
        page.value("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        page.value("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)))")
        assert page.value("document.documentElement.dataset.owned ?? null") is None, route
        assert page.value(_INTRUDERS) == [], route
        seen += page.value("document.body.textContent")
        seen += page.value("[...document.querySelectorAll('[title]')].map((one) => one.title).join(' ')")
    page.go(f"{base}#/samples/{task}")
    page.until("document.querySelectorAll('.field option').length > 4")
    seen += page.value("document.body.textContent")
    # Some stand in JSON, where quotes are escaped: what comes before the first one is enough.
    return {place for place in _PLANTED.split() if evil(place).partition('"')[0] not in seen}


def test_nothing_gets_out_of_its_text_on_disk(page: Page, store: str, tmp_path: Path) -> None:
    write_site(find_runs([], store), tmp_path / "site", title=evil("title"))
    unseen = check(page, (tmp_path / "site" / "index.html").as_uri(), live=False)
    assert unseen == set()


def test_nothing_gets_out_of_its_text_when_served(page: Page, store: str) -> None:
    with served(store) as url:
        assert check(page, url, live=True) == set()
        page.leave()


def test_the_policy_stops_what_would_slip_through(page: Page, site: Path) -> None:
    page.go((site / "index.html").as_uri())
    page.value(
        """(() => {
          window.stopped = [];
          document.addEventListener('securitypolicyviolation', (event) => stopped.push(event.effectiveDirective));
        })()"""
    )
    refused = page.value(
        """[
          () => { document.body.innerHTML = '<img src=x>'; },
          () => { document.createElement('script').textContent = '1'; },
          () => { document.createElement('script').src = 'data/site.js'; },
        ].map((attack) => { try { attack(); return 'done'; } catch (error) { return error.name; } })"""
    )
    assert "done" not in refused
    page.value(
        """(() => {
          const image = new Image(); image.src = 'https://example.org/x.png';
          const frame = document.createElement('iframe'); frame.src = 'https://example.org/';
          const styled = document.createElement('p'); styled.setAttribute('style', 'color: red');
          document.body.append(frame, styled);
          fetch('https://example.org/').catch(() => {});
        })()"""
    )
    page.until(
        "['img-src', 'frame-src', 'style-src-attr', 'connect-src'].every((one) => stopped.includes(one))"
    )
    page.complaints.clear()  # which are what this test is about


def test_a_chunk_s_address_cannot_be_made_up(page: Page, site: Path) -> None:
    page.go((site / "index.html").as_uri())
    attempts = page.value(
        "['fac-eval', 'other'].map((name) => {"
        " try { trustedTypes.createPolicy(name, {}); return true; } catch { return false; } })"
    )
    assert attempts == [False, False]
    page.complaints.clear()
