"""fac-eval: evaluate spoken-dialogue models, score exactly as officially, lose nothing.

The public names load on first use, so that importing the package costs next to nothing:

    import fac_eval
    result = fac_eval.run(models="oracle", tasks="voicebench/bbh", data="sample")
    result.scores
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fac_eval.audio import Audio
    from fac_eval.engine.api import rescore, run
    from fac_eval.engine.result import RunResult
    from fac_eval.errors import FacEvalError
    from fac_eval.interfaces import AsyncModel, Capabilities, ContinuousModel, Judge, Model, SampleModel
    from fac_eval.scores import Metric
    from fac_eval.task import Benchmark, Task
    from fac_eval.vocabulary import (
        Failure,
        Message,
        Request,
        Response,
        Sample,
        Score,
        Settings,
        Text,
    )

__version__ = "0.1.0"

_HOMES = {
    "AsyncModel": "fac_eval.interfaces",
    "Audio": "fac_eval.audio",
    "Benchmark": "fac_eval.task",
    "Capabilities": "fac_eval.interfaces",
    "ContinuousModel": "fac_eval.interfaces",
    "FacEvalError": "fac_eval.errors",
    "Failure": "fac_eval.vocabulary",
    "Judge": "fac_eval.interfaces",
    "Message": "fac_eval.vocabulary",
    "Metric": "fac_eval.scores",
    "Model": "fac_eval.interfaces",
    "Request": "fac_eval.vocabulary",
    "Response": "fac_eval.vocabulary",
    "RunResult": "fac_eval.engine.result",
    "Sample": "fac_eval.vocabulary",
    "SampleModel": "fac_eval.interfaces",
    "Score": "fac_eval.vocabulary",
    "Settings": "fac_eval.vocabulary",
    "Task": "fac_eval.task",
    "Text": "fac_eval.vocabulary",
    "rescore": "fac_eval.engine.api",
    "run": "fac_eval.engine.api",
}

__all__ = [
    "AsyncModel",
    "Audio",
    "Benchmark",
    "Capabilities",
    "ContinuousModel",
    "FacEvalError",
    "Failure",
    "Judge",
    "Message",
    "Metric",
    "Model",
    "Request",
    "Response",
    "RunResult",
    "Sample",
    "SampleModel",
    "Score",
    "Settings",
    "Task",
    "Text",
    "rescore",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
