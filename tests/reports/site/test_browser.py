"""The site in a browser, opened from disk: what a reader does with it."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.browser import Page, needs_browser

pytestmark = needs_browser

SPOKEN = quote("world/spoken", safe="")


def address(site: Path, route: str = "") -> str:
    return f"{(site / 'index.html').as_uri()}#/{route}"


def column(page: Page, number: int) -> list[str]:
    """The names of the table's rows, or what stands in one of its columns."""
    cells = f"tbody tr:not(.group) > :nth-child({number + 1})"
    return [text.split("\n")[0] for text in page.texts(f".leaderboard {cells}")]


def sort_by(page: Page, name: str) -> str:
    """Click a column's head; returns what the table says of its order."""
    head = (
        "[...document.querySelectorAll('.leaderboard thead th')]"
        f".find((one) => one.innerText.trim().startsWith({json.dumps(name)}))"
    )
    page.value(f"{head}.querySelector('.sort').click()")
    return str(page.value(f"{head}.ariaSort"))


def explore(page: Page, site: Path, route: str = f"samples/{SPOKEN}") -> None:
    page.go(address(site, route), ready="document.querySelector('.status')?.dataset.done === 'true'")


def shown(page: Page) -> str:
    return page.text(".status")


def test_the_leaderboard_sorts_both_ways(page: Page, site: Path) -> None:
    page.go(address(site))
    assert sort_by(page, "random") == "descending"
    values = [
        float(text.removeprefix("\u2248").split("\u202f")[0]) for text in column(page, 2) if text[0].isdigit()
    ]
    assert values == sorted(values, reverse=True)
    assert len(values) > 2
    assert sort_by(page, "random") == "ascending"
    assert column(page, 2)[-1] == "\u2013"  # what was not run stands last, whichever way
    assert sort_by(page, "Task") == "ascending"
    assert column(page, 0) == sorted(column(page, 0))


def test_the_leaderboard_filters_and_turns(page: Page, site: Path) -> None:
    page.go(address(site))
    page.click("input[type=search]")
    page.write("bfcl")
    page.until("document.querySelectorAll('.leaderboard tbody tr:not(.group)').length === 2")
    page.click(".board .quiet")
    assert page.texts(".leaderboard tbody th") == ["oracle", "random", "speaker-8b", "speaker-30b"]
    page.click(".legend-item")
    page.until("document.querySelectorAll('.leaderboard tbody th').length === 3")
    assert page.value("document.querySelector('.legend-item').ariaPressed") == "false"
    page.choose(".field select", "world")
    page.until("document.querySelectorAll('.bars .axis-name').length === 1")


def test_the_figure_is_a_radar_and_bars_with_intervals(page: Page, site: Path) -> None:
    page.go(address(site))
    assert page.count(".radar .shape") >= 2
    assert page.count(".bars .bar") >= page.count(".bars .whisker") > 0
    assert "speech_fc: oracle 100.00" in page.value("document.querySelector('.radar').ariaLabel")


def test_a_task_s_page_has_all_its_parts(page: Page, site: Path) -> None:
    page.go(address(site, f"task/{SPOKEN}"), ready="document.querySelector('.forest')")
    heads = page.texts("main h2")
    assert heads == ["Figures", "Scores", "Comparison", "What failed", "Latency", "Cost", "Answers"]
    before = page.text(".forest .value")
    page.choose(".section .field select", "1")
    after = page.text(".forest .value")
    assert before.split(" ")[0].strip("+\u2212") == after.split(" ")[0].strip("+\u2212")
    assert before != after or before.startswith("0.00")
    assert page.count("figure svg .bar") > 2
    page.click(".list .chip.failed")
    page.until("document.querySelector('.status')?.dataset.done === 'true'")
    assert shown(page) == "2 of 24 samples"


def test_filters_of_the_explorer(page: Page, site: Path) -> None:
    explore(page, site)
    assert shown(page) == "24 samples"
    assert 5 < page.count(".row") <= 24
    for show, total in (("judge", 2), ("failed", 2), ("skipped", 0)):
        page.click(f"[data-show={show}]")
        assert shown(page) == f"{total} of 24 samples"
    page.click("[data-show=worse]")
    worse = int(shown(page).split()[0])
    page.click("[data-show=better]")
    better = int(shown(page).split()[0])
    page.click("[data-show=changed]")
    changed = int(shown(page).split()[0])
    assert changed >= worse + better > 0
    page.click("[data-show=all]")
    page.value(
        "[...document.querySelectorAll('.field')].find((one) => one.innerText.startsWith('room')).dataset.room = 1"
    )
    page.choose("[data-room] select", "quiet")
    assert shown(page) == "12 of 24 samples"
    assert "m.room=quiet" in page.value("location.hash")


def test_search_reads_questions_and_answers(page: Page, site: Path) -> None:
    explore(page, site)
    page.press("/")
    page.write("RIVERS summer")
    page.until("document.querySelector('.status').innerText.includes('6 of 24')")
    assert all("rivers" in text for text in page.texts(".row-prompt"))
    page.press("Escape")
    assert page.value("document.activeElement.tagName") != "INPUT"


def test_order_by_score(page: Page, site: Path) -> None:
    explore(page, site, f"samples/{SPOKEN}?sort=score&falling=1")
    scores = [float(text) for text in page.texts(".row-scores .chip:first-child") if text[0].isdigit()]
    assert scores == sorted(scores, reverse=True)


def test_keys_move_open_and_lead_back(page: Page, site: Path) -> None:
    explore(page, site)
    page.press("j")
    page.press("j")
    page.press("j")
    page.press("k")
    assert page.value("document.activeElement.closest('.row').dataset.place") == "1"
    page.press("Enter")
    page.until("document.querySelector('h1.id')?.innerText === 'spoken/001'")
    page.press("j")
    page.until("document.querySelector('h1.id')?.innerText === 'spoken/002'")
    page.press("k")
    page.press("k")
    page.until("/00[01]$/.test(document.querySelector('h1.id')?.innerText)")
    page.press("Escape")
    page.until("document.querySelector('.virtual-list')")
    page.press("?")
    assert page.value("document.querySelector('dialog').open")


def test_a_deep_link_opens_two_systems_side_by_side(page: Page, site: Path) -> None:
    link = f"sample/{SPOKEN}/{quote('spoken/003', safe='')}?a=speaker-30b&b=speaker-8b"
    page.go(address(site, link), ready="document.querySelector('.answers')")
    assert page.texts(".panel h2") == ["speaker-30b", "speaker-8b"]
    assert page.count(".panel .player") == 2
    assert "It is well said." in page.text(".panel .reply")
    page.choose(".panel:nth-child(2) select", "")
    page.until("document.querySelectorAll('.panel').length === 1")
    page.value("history.back()")
    page.until("document.querySelectorAll('.panel').length === 2")


def test_words_are_compared(page: Page, site: Path) -> None:
    explore(page, site, f"samples/{SPOKEN}?sort=score&falling=1&a=speaker-8b")
    page.press("Enter")
    page.until("document.querySelector('.worddiff')")
    first = "[...document.querySelector('.worddiff').childNodes]"
    for side, left_out in ((".reference .said", "INS"), (".panel .part:has(h3) .said:not(.answer)", "DEL")):
        kept = page.value(
            f"{first}.filter((one) => one.nodeName !== '{left_out}').map((one) => one.textContent).join(' ')"
        )
        assert kept.split() == page.text(side).split()
    assert page.count(".worddiff del") > 0


def test_the_sound_plays_and_can_be_sought(page: Page, site: Path) -> None:
    link = f"sample/{SPOKEN}/{quote('spoken/000', safe='')}"
    page.go(address(site, link), ready="document.querySelectorAll('.player').length === 2")
    for player in (".turn .player", ".panel .player"):
        page.click(f"{player} .play")
        page.until(f"document.querySelector({json.dumps(player + ' audio')}).currentTime > 0.1")
    assert page.value("document.querySelector('.turn .player audio').paused")  # one at a time
    page.until("document.querySelector('.panel .player audio').ended")
    page.click(".panel .seek")
    page.until("document.querySelector('.panel audio').currentTime > 0.3")
    painted = page.value(
        "(() => { const one = document.querySelector('.wave'); const data = one.getContext('2d')"
        ".getImageData(0, 0, one.width, one.height).data; return new Set(data).size; })()"
    )
    assert painted > 20


def test_calls_are_compared_with_the_reference(page: Page, site: Path) -> None:
    task = quote("speech_fc/bfcl_single", safe="")
    page.go(
        address(site, f"sample/{task}/speechfc_bfcl_single_0001?a=oracle&b=random"),
        ready="document.querySelector('.call')",
    )
    assert page.texts(".panel:nth-child(1) .call .verdict") == ["\u2713"] * 3
    assert "was not made" in page.text(".panel:nth-child(2) .call caption")


def test_light_and_dark_follow_the_system_until_chosen(page: Page, site: Path) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    page.prefer("dark")
    page.go(address(site))
    dark = page.value(ground)
    page.prefer("light")
    light = page.value(ground)
    assert dark != light
    page.press("t")
    assert page.value(ground) == dark
    page.value("localStorage.clear()")


@pytest.mark.parametrize(
    "route",
    [
        "",
        f"task/{SPOKEN}",
        f"samples/{SPOKEN}",
        f"sample/{SPOKEN}/spoken%2F001?b=speaker-30b",
        "runs",
        "cost",
    ],
)
def test_a_phone_shows_every_page_without_scrolling_sideways(page: Page, site: Path, route: str) -> None:
    page.resize(390, 844)
    page.go(address(site, route))
    page.until("!document.body.innerText.includes('Reading')")
    assert page.value("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(
    "route",
    [
        "",
        f"task/{SPOKEN}",
        f"samples/{SPOKEN}",
        f"sample/{SPOKEN}/spoken%2F001?b=speaker-30b",
        "runs",
        "cost",
    ],
)
def test_everything_has_a_name_for_those_who_hear_the_page(page: Page, site: Path, route: str) -> None:
    page.go(address(site, route))
    page.until("!document.body.innerText.includes('Reading')")
    nameless = page.value(_NAMELESS)
    assert nameless == []
    assert page.count("h1") == 1
    assert page.value("document.documentElement.lang") == "en"


_NAMELESS = """[...document.querySelectorAll('button, a, input, select, [role=slider], [role=img], [role=progressbar]')]
  .filter((one) => !(one.ariaLabel || one.innerText?.trim() || one.closest('label')?.innerText.trim()))
  .map((one) => one.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page: Page, site: Path, scheme: str) -> None:
    page.prefer(scheme)
    for route in ("", f"task/{SPOKEN}", f"samples/{SPOKEN}", f"sample/{SPOKEN}/spoken%2F001?b=speaker-30b"):
        page.go(address(site, route))
        page.until("!document.body.innerText.includes('Reading')")
        assert page.value(_FAINT) == []


# The contrast of every text with the nearest ground that is painted, as WCAG counts it; 4.5 is its level AA.
_FAINT = r"""(() => {
  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (colour) => {
    const line = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = numbers(colour).map((v) => line(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour.startsWith('rgb(')) return colour;
    }
    return getComputedStyle(document.body).backgroundColor;
  };
  const faint = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const one = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || !one.checkVisibility()) continue;
    if (one.closest('svg, .sr, .skip, option, :disabled')) continue;
    const [a, b] = [light(getComputedStyle(one).color), light(ground(one))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    const name = `${one.tagName} ${one.className}: ${one.innerText.slice(0, 30)}`;
    if (contrast < 4.5) faint.add(`${contrast.toFixed(2)} ${name}`);
  }
  return [...faint];
})()"""


def test_an_unknown_address_says_so(page: Page, site: Path) -> None:
    page.go(address(site, "task/nothing"))
    assert "no task of that name" in page.text("main")
    page.go(address(site, f"sample/{SPOKEN}/nobody"))
    page.until("document.querySelector('main').innerText.includes('no sample nobody')")
    page.go(address(site, "constructor"))
    assert "systems on" in page.text("h1")


def test_a_chunk_that_is_missing_is_said(page: Page, site: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(site, copy, ignore=shutil.ignore_patterns("summary.js"))
    page.go(address(copy, f"task/{SPOKEN}"))
    page.until("document.querySelector('main').innerText.includes('could not be loaded')")
    page.complaints.clear()  # the browser's own word on the missing file
