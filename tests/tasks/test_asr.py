"""LibriSpeech and Common Voice as tasks, on the shipped sample data."""

from __future__ import annotations

from pathlib import Path

import pytest

import fac_eval
from fac_eval.data.hub import DataFinder
from fac_eval.errors import UsageError
from fac_eval.interfaces import Model
from fac_eval.resolve import resolve_tasks
from fac_eval.tasks.asr import CommonVoiceEn, CommonVoiceZh, LibriSpeechClean, LibriSpeechOther
from fac_eval.vocabulary import Evidence, Request, Response, Settings, Text

TASKS = (LibriSpeechClean, LibriSpeechOther, CommonVoiceEn, CommonVoiceZh)
NOTHING = Evidence()


def figures(result: fac_eval.RunResult, cell: int = 0) -> dict[str, float | None]:
    return {figure.name: figure.value for figure in result.cells[cell].figures}


def test_the_names_stand_for_the_right_tasks() -> None:
    assert [task.name for task in resolve_tasks(["asr"])] == [cls.name for cls in TASKS]
    assert [task.name for task in resolve_tasks(["asr/librispeech"])] == [cls.name for cls in TASKS[:2]]


def test_the_oracle_makes_no_errors_and_the_empty_model_deletes_everything(tmp_path: Path) -> None:
    result = fac_eval.run(["oracle", "empty"], "asr", data="sample", store=str(tmp_path), progress=False)
    assert result.counts.scored == 96
    for cell in result.cells:
        main = next(figure for figure in cell.figures if figure.main)
        assert main.value == (0 if cell.model == "oracle" else 100)
        assert main.name == ("cer" if cell.task.endswith("zh") else "wer")
        assert not main.higher_is_better
        assert main.n == 12


@pytest.mark.parametrize("cls", TASKS, ids=lambda cls: cls.name)
def test_a_sample_is_a_clip_and_the_instruction(cls: type[LibriSpeechClean]) -> None:
    task = cls()
    samples = list(task.samples(DataFinder("sample")))
    assert task.size(DataFinder("sample")) == len(samples) == 12
    assert len({sample.id for sample in samples}) == 12
    clip, instruction = samples[0].messages[0].parts
    assert clip.seconds > 1  # type: ignore[union-attr]
    assert instruction == Text("Please help me transcribe the audio.")
    assert task.request(samples[0]).settings == Settings(temperature=0.0)


def test_utterances_of_a_speaker_are_one_cluster() -> None:
    samples = list(LibriSpeechClean().samples(DataFinder("sample")))
    assert len({sample.cluster for sample in samples}) == 4
    assert all(sample.id.startswith(f"{sample.cluster}-") for sample in samples)


def scored(
    task: LibriSpeechClean | CommonVoiceEn | CommonVoiceZh, reference: str, answer: str
) -> dict[str, float]:
    from fac_eval.vocabulary import Sample

    return dict(task.score(Sample("x", (), reference), Response(text=answer), NOTHING).parts)


def test_normalisation_stands_before_counting() -> None:
    parts = scored(CommonVoiceEn(), "It cost twenty five dollars and ten cents.", "it costs $25.10")
    assert (parts["errors"], parts["tokens"]) == (1, 3)
    parts = scored(CommonVoiceZh(), "你好（笑）", "你好")
    assert (parts["errors"], parts["tokens"]) == (1, 3)


@pytest.mark.parametrize(
    ("task", "reference", "tokens"),
    [
        ("asr/common_voice_en", "It was $3.50 then.", 4),
        ("asr/common_voice_en:tokenizer=compute_wer_023", "It was $3.50 then.", 4),
        ("asr/common_voice_en:tokenizer=compute_wer_025", "It was $3.50 then.", 7),
        ("asr/common_voice_en:normalizer=openai_whisper", "I dunno", 2),
        ("asr/common_voice_en", "I dunno", 4),
        ("asr/common_voice_zh", "我有 iPhone 12", 10),
        ("asr/common_voice_zh:unit=mixed", "我有 iPhone 12", 4),
        ("asr/common_voice_zh:normalizer=wn_zh_0115", "二十个", 3),
    ],
)
def test_every_variant_counts_its_own_way(task: str, reference: str, tokens: int) -> None:
    (built,) = resolve_tasks([task])
    assert scored(built, reference, "")["tokens"] == tokens  # type: ignore[arg-type]


def test_copies_of_the_data_are_named_options() -> None:
    (task,) = resolve_tasks(["asr/librispeech_other:copy=lmms_lab"])
    (dataset,) = task.datasets()
    assert (dataset.repo, dataset.config) == ("lmms-lab-audio/librispeech", "librispeech_test_other")
    assert dataset.columns == ("audio", "gt")
    with pytest.raises(UsageError, match="copy"):
        resolve_tasks(["asr/librispeech_other:copy=elsewhere"])


class Half(Model):
    """Transcribes rightly, but fails on every other clip."""

    name = "half"
    fingerprint = "half"

    def __init__(self) -> None:
        samples = LibriSpeechClean().samples(DataFinder("sample"))
        self._known = {sample.messages[0].parts[0].key: sample.reference for sample in samples}  # type: ignore[union-attr]
        self._failing = set(list(self._known)[::2])

    def generate(self, requests: object) -> list[Response]:
        return [self._answer(request) for request in requests]  # type: ignore[attr-defined]

    def _answer(self, request: Request) -> Response:
        key = request.messages[0].parts[0].key  # type: ignore[union-attr]
        if key in self._failing:
            return Response.failed("model_error", "no answer")
        return Response(text=self._known[key])


def test_failed_utterances_count_as_empty_transcripts_and_are_told_apart(tmp_path: Path) -> None:
    result = fac_eval.run(Half(), "asr/librispeech_clean", data="sample", store=str(tmp_path), progress=False)
    found = figures(result)
    tokens = [len(LibriSpeechClean().rules.tokens(sample.reference)) for sample in _samples()]
    assert result.counts.n_failed == 6
    assert found["wer"] == pytest.approx(100 * sum(tokens[::2]) / sum(tokens))
    assert found["deletions"] == found["wer"]
    assert found["wer of the answered"] == 0
    assert found["tokens"] == sum(tokens)
    (main,) = (figure for figure in result.cells[0].figures if figure.main)
    assert main.note == "6 failed utterances count as empty transcripts"
    assert (main.n, main.low is not None) == (12, True)


class Mute(Half):
    """Fails on every clip."""

    name = "mute"
    fingerprint = "mute"

    def _answer(self, request: Request) -> Response:
        return Response.failed("model_error", "no answer")


def test_where_every_utterance_failed_every_token_is_deleted(tmp_path: Path) -> None:
    result = fac_eval.run(Mute(), "asr/librispeech_clean", data="sample", store=str(tmp_path), progress=False)
    found = figures(result)
    assert (result.counts.n_failed, result.counts.scored) == (12, 0)
    assert (found["wer"], found["deletions"], found["substitutions"]) == (100, 100, 0)
    assert "wer of the answered" not in found
    (main,) = (figure for figure in result.cells[0].figures if figure.main)
    assert (main.name, main.n) == ("wer", 12)


def _samples() -> list[fac_eval.Sample]:
    return list(LibriSpeechClean().samples(DataFinder("sample")))


def test_rescoring_needs_no_model(tmp_path: Path) -> None:
    first = fac_eval.run("random", "asr/common_voice_en", data="sample", store=str(tmp_path), progress=False)
    again = fac_eval.rescore(first.id, set={"asr.tokenizer": "compute_wer_025"}, store=str(tmp_path))
    assert figures(again)["tokens"] > figures(first)["tokens"]  # type: ignore[operator]
    assert again.cells[0].protocol_id != first.cells[0].protocol_id
