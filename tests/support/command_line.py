"""The command line as a user types it, called in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from fac_eval.cli.main import main


@dataclass
class Outcome:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


CommandLine = Callable[..., Outcome]


def command_line(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """A function that runs `fac-eval` with the arguments it is given."""

    def call(*arguments: object) -> Outcome:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        return Outcome(int(caught.value.code or 0), shown.out, shown.err)

    return call
