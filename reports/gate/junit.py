"""A gate's verdict as a JUnit file, which every CI system can show."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from fac_eval.errors import UsageError

from .checks import Check

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML file may hold."""


def write_junit(path: Path, checks: Iterable[Check]) -> None:
    """Write the checks, a test suite a task and a test case a check."""
    suites: dict[str, list[Check]] = {}
    for check in checks:
        suites.setdefault(check.task, []).append(check)
    every = [check for made in suites.values() for check in made]
    root = ElementTree.Element("testsuites", {"name": "fac-eval gate", **_counts(every)})
    for task, made in suites.items():
        suite = ElementTree.SubElement(root, "testsuite", {"name": _text(task), **_counts(made)})
        for check in made:
            case = ElementTree.SubElement(
                suite, "testcase", {"classname": _text(task), "name": _text(check.name)}
            )
            if check.outcome == "passed":
                ElementTree.SubElement(case, "system-out").text = _text(check.message)
                continue
            tag = {"failed": "failure", "error": "error", "skipped": "skipped"}[check.outcome]
            result = ElementTree.SubElement(case, tag, {"message": _text(check.message)})
            if check.outcome != "skipped":
                result.set("type", _text(check.name))
                result.text = _text(check.message)
    ElementTree.indent(root)
    try:
        ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror or error}.",
            remedy="Name a file in a folder that is there.",
        ) from error


def _counts(checks: Iterable[Check]) -> dict[str, str]:
    outcomes = [check.outcome for check in checks]
    return {
        "tests": str(len(outcomes)),
        "failures": str(outcomes.count("failed")),
        "errors": str(outcomes.count("error")),
        "skipped": str(outcomes.count("skipped")),
    }


def _text(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
