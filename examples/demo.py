"""The main jobs end to end on what the repository ships: no network, no GPU, no key.

1. Sanity models on benchmarks that are scored by rule: `oracle` must score the maximum, `empty` the minimum, `random`
   chance. The stored answers are then scored again under other rules, without asking any model.
2. A judge, here one that goes by rules, on a benchmark with reference answers.
3. A recogniser put to the test: a real word error rate.
4. Fun-Audio-Chat itself, tiny and with random weights: speech in, text out, then speech out. It knows nothing.
5. The cascade of recogniser, text model and voice that every speech model is compared with, where a voice is installed.
6. All of it as pages to open in a browser.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import fac_eval
from fac_eval.model.tiny import write_tiny
from fac_eval.reports.runs import find_runs
from fac_eval.reports.site.export import write_site

STORE = "demo-store"
PAGES = "demo-report"
BY_RULE = (
    "voicebench/mmsu",
    "voicebench/openbookqa",
    "voicebench/ifeval",
    "voicebench/advbench",
    "voicebench/bbh",
)


def run(models: str | list[str], tasks: str | list[str], **options: object) -> fac_eval.RunResult:
    """A run on the sample data, printed."""
    result = fac_eval.run(models, tasks, data="sample", store=STORE, **options)  # type: ignore[arg-type]
    print(result, end="\n\n")
    return result


def main() -> None:
    """Everything in turn; what is already in the store is not done again."""
    print("Sanity models, scored by rule:\n")
    rules = {"voicebench.mode": "official", "voicebench.fallback": "wrong"}
    checked = run(["oracle", "empty", "random"], list(BY_RULE), set=rules)
    print("The same stored answers under upstream's random fallback, nothing generated again:\n")
    print(fac_eval.rescore(checked.id, set={"voicebench.fallback": "random"}, store=STORE), end="\n\n")

    print("A judge that goes by rules, on questions with a reference:\n")
    run(["oracle", "random"], "voicebench/sd-qa", judge="lexical")

    print("A recogniser alone, on speech that Flite synthesized:\n")
    run("cascade:asr=pocketsphinx", "asr/librispeech_clean")

    with tempfile.TemporaryDirectory() as folder:
        write_tiny(Path(folder))
        print("Fun-Audio-Chat with random weights, text out and speech out:\n")
        model = f"fun-audio-chat:path={folder},vocoder={folder}/vocoder"
        run(model, list(BY_RULE), set=rules, limit=2)
        run(model, "ultraeval_audio/llama_questions", limit=2, transcriber="pocketsphinx")

    if shutil.which("flite"):
        print("The cascade: pocketsphinx hears, the oracle answers, Flite speaks:\n")
        cascade = "cascade:asr=pocketsphinx,llm=oracle,tts=flite"
        run(cascade, "ultraeval_audio/llama_questions", transcriber="pocketsphinx", speech_metrics=["rtf"])
    else:
        print("The cascade is left out: there is no flite on this machine (apt-get install flite).\n")

    write_site(find_runs([], STORE), PAGES, data="sample")
    print(f"All of it as pages: open {PAGES}/index.html")


if __name__ == "__main__":
    main()
