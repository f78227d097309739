"""The documentation does what it says: examples run, links lead somewhere, nothing it must name is missing."""

from __future__ import annotations

import ast
import dataclasses
import re
import sqlite3
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import click
import pytest

from fac_eval.cli.main import COMMANDS
from fac_eval.cli.run import command as run_command
from fac_eval.config import RunConfig, read_config
from fac_eval.engine.export import COLUMNS
from fac_eval.errors import FacEvalError
from fac_eval.resolve import benchmarks
from fac_eval.stats.intervals import Method
from fac_eval.store import schema
from fac_eval.vocabulary import FailureKind
from tests.support.doc_blocks import blocks_of, code_block, holds_part, pages, run_page, wanted_exit
from tests.support.example_plugin import ROOT, install_plugin

DOCS = ROOT / "docs"
PAGES = {str(page.relative_to(ROOT)): page for page in pages()}
RUN_PAGES = [
    name for name, page in PAGES.items() if any(b.role == "run" for b in blocks_of(page.read_text("utf-8")))
]


def text_of(name: str) -> str:
    return PAGES[name].read_text("utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_plugin(tmp_path_factory.mktemp("plugin"))


@pytest.mark.parametrize("name", RUN_PAGES)
def test_the_examples_of_a_page_do_what_it_shows(name: str, site: Path, tmp_path: Path) -> None:
    refresh = "If that is how it should be: python tools/refresh_docs.py"
    for printed in run_page(PAGES[name], tmp_path, site):
        where = f"{name}, line {printed.block.line}"
        assert printed.exit_code == wanted_exit(printed.block), f"{where}:\n{printed.text}"
        for shown in printed.shown:
            if shown.detail == "part":
                assert holds_part(printed.text, shown.text), f"{where} prints\n{printed.text}"
            elif not shown.detail:
                assert printed.text == shown.text, f"{where} prints something else. {refresh}"


# What the tests above rest on.


def test_blocks_are_found_by_their_marks() -> None:
    page = "<!-- run: exit 2 -->\n```bash\nfalse\n```\n\n```bash\nshown\n```\n<!-- output -->\n```text\nno\n```\n"
    first, second = blocks_of(page)
    assert (first.role, wanted_exit(first), first.language, first.text, first.line) == (
        "run",
        2,
        "bash",
        "false\n",
        1,
    )
    assert (second.role, page[second.start : second.end]) == ("output", "no\n")


@pytest.mark.parametrize(
    "page", ["<!-- runn -->\n```bash\n```\n", "<!-- run: fast -->\n```bash\n```\n", "<!-- run -->\n"]
)
def test_a_misspelt_mark_is_noticed(page: str) -> None:
    with pytest.raises(ValueError, match=r"mark|run"):
        blocks_of(page)


@pytest.mark.parametrize(
    ("part", "there"),
    [
        ("a\nb", True),
        ("b\n...\nd", True),
        ("...\nd", True),
        ("c", True),
        ("a\nc", False),
        ("b\na", False),
        ("a\nb\nc\nd\ne", False),
    ],
)
def test_a_part_of_an_output(part: str, there: bool) -> None:
    assert holds_part("a\nb\nc\nd\n", part) is there


# Links.


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    text = re.sub(r"^```.*?^```$", "", text_of(name), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        page = (PAGES[name].parent / path) if path else PAGES[name]
        assert page.exists(), target
        assert not anchor or anchor in anchors(page.read_text("utf-8")), target


def test_the_index_names_every_page() -> None:
    for page in DOCS.glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in text_of("docs/README.md")


@pytest.mark.parametrize("name", PAGES)
def test_nothing_private_is_told(name: str) -> None:
    text = text_of(name)
    assert not re.search(r"(?<![\w.])/(work|root|tmp|home)/", text)
    assert not re.search(r"\bissues? #?\d+", text, re.IGNORECASE)


# Completeness.


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(RunConfig)])
def test_every_key_of_a_configuration_is_explained(field: str) -> None:
    assert f"| `{field}` |" in text_of("docs/configuration.md")


@pytest.mark.parametrize(
    "option",
    sorted(
        {name for option in run_command.params for name in option.opts if isinstance(option, click.Option)}
    ),
)
def test_every_option_of_run_is_explained(option: str) -> None:
    assert re.search(rf"`[^`\n]*(?<![\w-]){option}(?![\w-])[^`\n]*`", text_of("docs/configuration.md"))


def test_every_environment_variable_is_explained() -> None:
    found = set()
    for path in [*ROOT.glob("fac_eval/**/*.py"), *ROOT.glob("tasks/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.update(re.findall(r"\b(?:FAC_EVAL|HF|OPENAI)_[A-Z_]*[A-Z]\b", node.value))
    assert {"FAC_EVAL_STORE", "OPENAI_API_KEY", "HF_HUB_OFFLINE"} <= found
    for variable in found - {"_FAC_EVAL_COMPLETE"}:
        assert f"`{variable}`" in text_of("docs/configuration.md"), variable


def test_the_configuration_in_toml_and_in_yaml_are_the_same(tmp_path: Path) -> None:
    configs = []
    for suffix, language in ((".toml", "toml"), (".yaml", "yaml")):
        path = tmp_path / f"run{suffix}"
        path.write_text(code_block(text_of("docs/configuration.md"), language, "# run"), "utf-8")
        configs.append(read_config(path))
    assert configs[0] == configs[1]
    assert configs[0] != RunConfig()


@pytest.mark.parametrize("kind", get_args(FailureKind))
def test_every_kind_of_failure_is_explained(kind: str) -> None:
    assert f"| `{kind}` |" in text_of("docs/troubleshooting.md")


@pytest.mark.parametrize("name", [error.__name__ for error in FacEvalError.__subclasses__()])
def test_every_error_that_python_users_meet_is_named(name: str) -> None:
    assert f"`{name}`" in text_of("docs/troubleshooting.md") or f"`{name}`" in text_of(
        "docs/writing-a-model.md"
    )


@pytest.mark.parametrize("method", sorted(set(get_args(Method)) - {"none"}))
def test_every_interval_is_explained(method: str) -> None:
    assert f"`{method}`" in text_of("docs/statistics.md")


def test_every_table_and_column_of_the_store_is_explained() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(connection, "memory")
    page = text_of("docs/store.md")
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{table}` |")]
        for column in connection.execute(f"PRAGMA table_info({table})").fetchall():
            assert f"`{column[1]}`" in row, f"{table}.{column[1]}"


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_of_an_export_is_explained(column: str) -> None:
    assert f"`{column}`" in text_of("docs/store.md")


def test_the_list_of_benchmarks_names_every_page() -> None:
    for page in DOCS.glob("benchmarks/*.md"):
        assert f"(benchmarks/{page.name})" in text_of("docs/benchmarks.md")


def test_every_subset_and_variant_of_a_benchmark_is_explained() -> None:
    for benchmark in benchmarks():
        page = text_of(f"docs/benchmarks/{benchmark.name}.md")
        for task in benchmark.tasks:
            assert f"`{task.name}`" in page
            for field, hint in get_type_hints(task.Options).items():
                assert f"`{field}`" in page or f"`{field}=" in page, f"{task.name}: {field}"
                if get_origin(hint) is not None:
                    for value in get_args(hint):
                        assert f"`{value}`" in page or f"`{field}={value}`" in page, (
                            f"{task.name}: {field}={value}"
                        )


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_names_every_command(command: str) -> None:
    assert f"fac-eval {command}" in text_of("README.md")


def test_the_plain_lines_of_the_readme_are_those_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    readme = text_of("README.md")
    variables = dict(re.findall(r"^(\w+) [?:]= (.+)$", makefile, re.MULTILINE))
    variables["PIP"] = ".venv/bin/python -m pip"
    commands = re.findall(r"^\t@?(\$\(PIP\) install .+|\$\(PYTHON\) -m venv .+)$", makefile, re.MULTILINE)
    assert len(commands) >= 4
    for command in commands:
        plain = command
        while "$(" in plain:
            plain = re.sub(r"\$\((\w+)\)", lambda match: variables[match[1]], plain)
        if "[dev]" not in plain:
            assert plain in readme, plain
