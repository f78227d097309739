"""UltraEval-Audio: ratings to ten of AlpacaEval's spoken answers."""

from __future__ import annotations

from functools import partial

from fac_eval.data.assets import Asset
from fac_eval.data.source_text import yaml_text
from fac_eval.rubric import Rubric, UpstreamPrompt
from fac_eval.vocabulary import Settings

from ._wording import RATE_TO_TEN

_COMMIT = "9b69da645d53cbc90b30179339a1dce7f0117b42"
_PROMPT_FILE = Asset(
    "UltraEval-Audio registry/prompt/chatbot.yaml",
    f"https://raw.githubusercontent.com/OpenBMB/UltraEval-Audio/{_COMMIT}/registry/prompt/chatbot.yaml",
    "31c1c4459440d06aba1680abe93924cae0df550edf32a59f1d846902cff5bece",
    "ultraeval_audio/chatbot.yaml",
    licence="Apache-2.0",
)

RUBRICS = (
    Rubric(
        "ultraeval_audio/chatbot",
        own=RATE_TO_TEN,
        # audio_evals/evaluator/alpaca_eval.py says maxTokens=2048, which its own client refuses: this is meant.
        settings=Settings(max_tokens=2048, temperature=0.0),
        upstream=UpstreamPrompt(
            _PROMPT_FILE,
            partial(yaml_text, keys=("chatbot-eval", "args", "template")),
            "e10590490a68b8d3e95da052e463a81f864e6f404a41a0e835da683889b11491",
            fill="jinja",
            names={"question": "instruction", "answer": "response"},
        ),
    ),
)
