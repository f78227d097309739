"""How long it takes to make pages of a large store, how large they are, and how fast a browser is with them.

A made-up run (_site_store.py) of two models on N questions with a judge is written with `write_site`, and looked at in
headless Chromium, from disk and from the server. Without a browser on the path that part is left out.

    python benchmarks/site.py -n 100000
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from _measure import call, machine, print_table, workspace
from _site_store import make_store, write_pages

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

FILTERS = ("wrong", "failed", "changed", "worse", "better", "all")
_CLICK = """(async () => {
  const button = document.querySelector('[data-show=%s]');
  const began = performance.now();
  button.click();
  await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
  return performance.now() - began;
})()"""
_ORDER = """(async () => {
  const list = [...document.querySelectorAll('.field')].find((one) => one.innerText.startsWith('Order')).lastChild;
  list.value = 'gap/0';
  const began = performance.now();
  list.dispatchEvent(new Event('change'));
  await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
  return performance.now() - began;
})()"""
_SEARCH = """(() => {
  const box = document.querySelector('.search');
  document.querySelector('.status').dataset.done = 'false';
  box.value = '%s';
  box.dispatchEvent(new Event('input'));
})()"""
_EXPLORER = "document.querySelector('.status')?.dataset.done === 'true'"


@contextmanager
def served(store: str) -> Iterator[str]:
    """The address of the site as `fac-eval view` serves it."""
    from fac_eval.reports.runs import find_runs
    from fac_eval.reports.site.server import Pages, SiteServer

    with SiteServer(Pages(lambda: find_runs([], store))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.url
        server.shutdown()
        thread.join()


def look(base: str) -> Iterator[tuple[str, float]]:
    """What a reader waits for, in seconds."""
    from tests.support.browser import open_page

    with open_page() as page:
        began = time.perf_counter()
        page.go(base)
        yield "overview, from the address to its figures", time.perf_counter() - began
        began = time.perf_counter()
        page.go(f"{base}#/samples", ready=_EXPLORER)
        yield "explorer, from the address to its list", time.perf_counter() - began
        yield "a filter, the slowest of six", max(page.value(_CLICK % name) for name in FILTERS) / 1000
        yield "all sorted by A - B", page.value(_ORDER) / 1000
        for name, words in (("the first", "breakfast airport"), ("a further", "river price")):
            began = time.perf_counter()
            page.value(_SEARCH % words)
            page.until("document.querySelector('.status').dataset.done === 'true'", patience=120)
            yield f"{name} search through all texts", time.perf_counter() - began
        began = time.perf_counter()
        page.go(f"{base}#/sample/made_up/made-up%2F000042", ready="document.querySelector('.panel')")
        yield "a sample by its address", time.perf_counter() - began
        page.leave()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", type=int, default=10_000, help="samples; each has two answers")
    args = parser.parse_args()
    from tests.support.browser import find_browser

    with workspace() as folder, tempfile.TemporaryDirectory(dir=folder) as home:
        store, site = f"{home}/store", f"{home}/site"
        call(make_store, args.n, store)
        made = call(write_pages, store, site)
        files, size = made.found
        print(f"{machine()}; {args.n:,} samples, two answers each\n")
        print_table(
            ("samples", "seconds", "MB", "files", "peak MB"),
            [(f"{args.n:,}", f"{made.seconds:.1f}", f"{size / 1e6:.1f}", f"{files:,}", f"{made.peak:.0f}")],
        )
        if find_browser() is None:
            print("\nno browser on the path: the rest is left out")
            return
        disk = dict(look(Path(site, "index.html").as_uri()))
        with served(store) as url:
            live = dict(look(url))
        print()
        rows = [(name, f"{disk[name]:.2f}", f"{live[name]:.2f}") for name in disk]
        print_table(("seconds in the browser", "from disk", "served"), rows)


if __name__ == "__main__":
    main()
