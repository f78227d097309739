"""The spoken sample sets that ship with fac-eval: layout, audio, and the script that makes them."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import yaml

from fac_eval.errors import MissingResource
from fac_eval.metrics.ifeval import check_ifeval
from fac_eval.metrics.text_resources import find_punkt
from fac_eval.metrics.voicebench_bbh import bbh_answer, bbh_task, reference_value
from fac_eval.metrics.voicebench_harm import HarmVariant, refusal

REPOSITORY = Path(__file__).resolve().parents[2]
VOICEBENCH = REPOSITORY / "tasks" / "sample_data" / "voicebench"
SOURCE = REPOSITORY / "tools" / "sample_data" / "voicebench.toml"
SCRIPT = REPOSITORY / "tools" / "make_sample_data.py"
ANSWERS = REPOSITORY / "tests" / "support" / "sample_answers.jsonl"

SPLITS = {
    "mmsu": {"law": 3, "physics": 3, "history": 3, "economics": 3},
    "openbookqa": {"test": 12},
    "ifeval": {"test": 14},
    "bbh": {"test": 12},
    "advbench": {"test": 12},
    "alpacaeval_full": {"test": 12},
    "commoneval": {"test": 12},
    "sd-qa": {"usa": 12},
    "wildvoice": {"test": 12},
}
FILES = [(config, split) for config, splits in SPLITS.items() for split in splits]

INTEGER_ARGUMENTS = [
    "capital_frequency",
    "frequency",
    "let_frequency",
    "nth_paragraph",
    "num_bullets",
    "num_highlights",
    "num_paragraphs",
    "num_placeholders",
    "num_sections",
    "num_sentences",
    "num_words",
]
TEXT_ARGUMENTS = [
    "capital_relation",
    "end_phrase",
    "first_word",
    "keyword",
    "language",
    "let_relation",
    "letter",
    "postscript_marker",
    "prompt_to_repeat",
    "relation",
    "section_spliter",
]
LIST_ARGUMENTS = ["forbidden_words", "keywords"]
ARGUMENTS = {
    **dict.fromkeys(INTEGER_ARGUMENTS, pa.int64()),
    **dict.fromkeys(TEXT_ARGUMENTS, pa.string()),
    **dict.fromkeys(LIST_ARGUMENTS, pa.list_(pa.string())),
}

INSTRUCTIONS = {
    "change_case:capital_word_frequency",
    "change_case:english_capital",
    "change_case:english_lowercase",
    "combination:repeat_prompt",
    "combination:two_responses",
    "detectable_content:number_placeholders",
    "detectable_content:postscript",
    "detectable_format:constrained_response",
    "detectable_format:json_format",
    "detectable_format:multiple_sections",
    "detectable_format:number_bullet_lists",
    "detectable_format:number_highlighted_sections",
    "detectable_format:title",
    "keywords:existence",
    "keywords:forbidden_words",
    "keywords:frequency",
    "keywords:letter_frequency",
    "language:response_language",
    "length_constraints:nth_paragraph_first_word",
    "length_constraints:number_paragraphs",
    "length_constraints:number_sentences",
    "length_constraints:number_words",
    "punctuation:no_comma",
    "startend:end_checker",
    "startend:quotation",
}


def file_of(config: str, split: str) -> Path:
    return VOICEBENCH / config / f"{split}-00000-of-00001.parquet"


def rows_of(config: str) -> list[dict[str, Any]]:
    tables = [pq.read_table(file_of(config, split)) for split in SPLITS[config]]
    return [row for table in tables for row in table.to_pylist()]


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("make_sample_data", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_folder_holds_exactly_the_expected_files() -> None:
    expected = {file_of(config, split) for config, split in FILES} | {VOICEBENCH / "README.md"}
    assert {path for path in VOICEBENCH.rglob("*") if path.is_file()} == expected


def test_total_size_is_small() -> None:
    assert sum(path.stat().st_size for path in VOICEBENCH.rglob("*.*")) < 2_000_000


@pytest.mark.parametrize(("config", "split"), FILES)
def test_columns_and_types(config: str, split: str) -> None:
    columns: dict[str, pa.DataType] = {
        "audio": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        "prompt": pa.string(),
    }
    if config in {"mmsu", "openbookqa", "sd-qa", "bbh"}:
        columns["reference"] = pa.string()
    if config == "bbh":
        columns["id"] = pa.string()
    if config == "ifeval":
        columns["key"] = pa.int64()
        columns["instruction_id_list"] = pa.list_(pa.string())
        columns["kwargs"] = pa.list_(pa.struct(sorted(ARGUMENTS.items())))
    schema = pq.read_schema(file_of(config, split))
    assert {field.name: field.type for field in schema} == columns
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert features.keys() == columns.keys()
    assert features["audio"] == {"_type": "Audio"}


@pytest.mark.parametrize(("config", "split"), FILES)
def test_item_counts(config: str, split: str) -> None:
    assert pq.read_metadata(file_of(config, split)).num_rows == SPLITS[config][split]


@pytest.mark.parametrize(("config", "split"), FILES)
def test_audio_is_short_mono_speech_at_16_khz(config: str, split: str) -> None:
    for row in pq.read_table(file_of(config, split)).to_pylist():
        samples, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]))
        name = row["audio"]["path"]
        assert re.fullmatch(rf"{config}_{split}_\d{{4}}\.(ogg|flac|wav)", name)
        assert (rate, samples.ndim) == (16_000, 1), name
        assert 2 <= len(samples) / rate <= 25, name
        assert 0.02 < np.sqrt(np.mean(samples**2)) < 0.5, name
        words = len(row["prompt"].split())
        assert 1.5 < words / (len(samples) / rate) < 5, f"{name}: {words} words cannot be what is spoken"


def test_several_audio_formats_occur() -> None:
    formats: Counter[tuple[str, str]] = Counter()
    for config in SPLITS:
        for row in rows_of(config):
            info = soundfile.info(io.BytesIO(row["audio"]["bytes"]))
            assert row["audio"]["path"].endswith({"OGG": ".ogg", "FLAC": ".flac", "WAV": ".wav"}[info.format])
            formats[info.format, info.subtype] += 1
    assert formats.keys() == {("OGG", "OPUS"), ("OGG", "VORBIS"), ("FLAC", "PCM_16"), ("WAV", "PCM_16")}
    assert formats.most_common(1)[0][0] == ("OGG", "OPUS")


def test_prompts_paths_ids_and_keys_are_unique() -> None:
    rows = [row for config in SPLITS for row in rows_of(config)]
    for values in (
        [row["prompt"] for row in rows],
        [row["audio"]["path"] for row in rows],
        [row["audio"]["bytes"] for row in rows],
        [row["id"] for row in rows_of("bbh")],
        [row["key"] for row in rows_of("ifeval")],
    ):
        assert len(values) == len(set(values)) > 0


@pytest.mark.parametrize("config", ["mmsu", "openbookqa"])
def test_choices_are_spoken_and_references_balanced(config: str) -> None:
    rows = rows_of(config)
    assert Counter(row["reference"] for row in rows) == dict.fromkeys("ABCD", 3)
    for row in rows:
        assert re.findall(r"Option ([A-Z]): \w", row["prompt"]) == list("ABCD")


def test_bbh_ids_and_references() -> None:
    kinds: Counter[str] = Counter()
    references: dict[str, set[str]] = {}
    for row in rows_of("bbh"):
        kind = row["id"].rpartition("_")[0]
        kinds[kind] += 1
        references.setdefault(kind, set()).add(row["reference"])
    tasks = {"sports_understanding", "hyperbaton", "navigate", "web_of_lies"}
    assert kinds == dict.fromkeys(tasks, 3)
    assert references == {task: {"yes", "no"} for task in tasks} | {"hyperbaton": {"(A)", "(B)"}}


def test_sd_qa_references_are_not_blank() -> None:
    assert all(row["reference"].strip() for row in rows_of("sd-qa"))


def test_ifeval_uses_every_instruction() -> None:
    seen = set()
    for row in rows_of("ifeval"):
        assert len(row["kwargs"]) == len(row["instruction_id_list"]) > 0
        assert all(arguments.keys() == ARGUMENTS.keys() for arguments in row["kwargs"])
        seen.update(row["instruction_id_list"])
    assert seen == INSTRUCTIONS


def test_repeated_prompt_is_part_of_what_is_spoken() -> None:
    repeated = [(row["prompt"], a["prompt_to_repeat"]) for row in rows_of("ifeval") for a in row["kwargs"]]
    assert [prompt.startswith(text) for prompt, text in repeated if text] == [True]


def test_data_set_card_lists_every_split() -> None:
    header = yaml.safe_load((VOICEBENCH / "README.md").read_text(encoding="utf-8").split("---")[1])
    listed = {
        (config["config_name"], file["split"], file["path"])
        for config in header["configs"]
        for file in config["data_files"]
    }
    assert listed == {(config, split, f"{config}/{split}-*") for config, split in FILES}
    assert header["license"] == "apache-2.0"


LOAD = """
import datasets, json, sys
found = {}
for name in ("mmsu", "ifeval"):
    data = datasets.load_dataset(sys.argv[1], name)
    assert all(type(split.features["audio"]) is datasets.Audio for split in data.values())
    data = data.cast_column("audio", datasets.Audio(decode=False))
    found[name] = {split: [(row["audio"]["path"], len(row["audio"]["bytes"])) for row in rows]
                   for split, rows in data.items()}
found["kwargs"] = data["test"][0]["kwargs"]
print(json.dumps(found))
"""


def test_datasets_reads_the_folder_like_the_hub(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-c", LOAD, str(VOICEBENCH)]
    done = subprocess.run(command, env=os.environ | offline, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for config in ("mmsu", "ifeval"):
        assert list(found[config]) == list(SPLITS[config])
        loaded = [tuple(clip) for clips in found[config].values() for clip in clips]
        assert loaded == [(row["audio"]["path"], len(row["audio"]["bytes"])) for row in rows_of(config)]
    assert found["kwargs"] == rows_of("ifeval")[0]["kwargs"]


def test_files_match_their_text(maker: ModuleType) -> None:
    """A question edited in the text file must be spoken again."""
    sample_set = maker.load_sample_set(SOURCE)
    assert {
        config.name: {k: len(v) for k, v in config.splits.items()} for config in sample_set.configs
    } == SPLITS
    assert (VOICEBENCH / "README.md").read_text(encoding="utf-8") == maker.card(sample_set)
    for config in sample_set.configs:
        for split, rows in config.splits.items():
            table = pq.read_table(file_of(config.name, split))
            wanted = [{"prompt": row.prompt, **row.columns} for row in rows]
            fields = [field for field in maker.schema(config.types) if field.name != "audio"]
            assert (
                table.drop(["audio"]).to_pylist()
                == pa.Table.from_pylist(wanted, pa.schema(fields)).to_pylist()
            )
            suffixes = [maker.FORMATS[row.format].suffix for row in rows]
            assert [Path(clip["path"]).suffix for clip in table["audio"].to_pylist()] == suffixes


def ideal_answers(config: str) -> list[str]:
    answers = [json.loads(line) for line in ANSWERS.read_text(encoding="utf-8").splitlines()]
    own = [answer for answer in answers if answer["config"] == config]
    assert [(answer["split"], answer["index"]) for answer in own] == [("test", i) for i in range(len(own))]
    return [answer["answer"] for answer in own]


def test_ideal_ifeval_answers_follow_their_instructions() -> None:
    try:
        find_punkt()
    except MissingResource as missing:
        pytest.skip(str(missing))
    for row, answer in zip(rows_of("ifeval"), ideal_answers("ifeval"), strict=True):
        flags = check_ifeval(row["instruction_id_list"], row["kwargs"], answer, clean=False)
        assert flags.strict == (True,) * len(row["kwargs"]), row["key"]


def test_ideal_bbh_answers_are_read_as_the_reference() -> None:
    for row, answer in zip(rows_of("bbh"), ideal_answers("bbh"), strict=True):
        read = bbh_answer(answer, task=bbh_task(row["id"])).value
        assert read == reference_value(row["reference"]), row["id"]


@pytest.mark.parametrize("variant", ["official", "kimi", "ultraeval", "lmms"])
def test_ideal_advbench_answers_are_refusals(variant: HarmVariant) -> None:
    answers = ideal_answers("advbench")
    assert len(answers) == SPLITS["advbench"]["test"]
    assert all(answer.strip() and refusal(answer, variant=variant).refused for answer in answers)


@pytest.mark.parametrize("name", ["opus", "vorbis", "flac", "wav"])
def test_encoding_is_repeatable_and_readable(maker: ModuleType, name: str) -> None:
    tone = (8000 * np.sin(np.arange(16_000) * 2 * np.pi * 440 / 16_000)).astype(np.int16)
    encoded = maker.encode(tone, maker.FORMATS[name])
    assert maker.encode(tone, maker.FORMATS[name]) == encoded
    decoded, rate = soundfile.read(io.BytesIO(encoded))
    assert rate == 16_000
    assert len(decoded) == len(tone)
    assert np.sqrt(np.mean(decoded**2)) == pytest.approx(8000 / 32768 / np.sqrt(2), rel=0.1)


GOOD = """
voices = ["slt", "rms"]
card = "A card."
[configs.one.columns]
reference = "string"
[[configs.one.splits.test]]
prompt = "Is this spoken?"
reference = "yes"
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param('reference = "yes"', "", r"one/test, item 0: has columns \[\]", id="column-missing"),
        pytest.param(
            'reference = "yes"', "reference = 1", "item 0: reference: 1 does not fit", id="wrong-type"
        ),
        pytest.param('"Is this spoken?"', '" "', "one/test, item 0: prompt: is blank", id="blank-prompt"),
        pytest.param('"Is this spoken?"', "1", "item 0: prompt: 1 does not fit", id="prompt-not-text"),
        pytest.param('"yes"', '"yes"\nformat = "mp3"', "unknown format 'mp3'", id="unknown-format"),
        pytest.param("splits.test", "split.test", "config one has no splits", id="no-splits"),
        pytest.param('card = "A card."', "", "'card' is missing", id="no-card"),
        pytest.param("voices =", "voice =", "unknown key 'voice'", id="unknown-key"),
        pytest.param("[configs", "[[configs", "cannot read", id="not-toml"),
    ],
)
def test_a_wrong_text_file_is_refused(
    maker: ModuleType, tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "small.toml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(maker.SampleDataError, match=message):
        maker.load_sample_set(path)


class SilentFlite:
    """Stands in for the synthesizer: a clip of the given length."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def speak(self, text: str, voice: str) -> np.ndarray[Any, Any]:
        return np.zeros(int(self.seconds * 16_000), dtype=np.int16)


def test_writing_replaces_stale_files(maker: ModuleType, tmp_path: Path) -> None:
    source = tmp_path / "small.toml"
    source.write_text(GOOD, encoding="utf-8")
    stale = tmp_path / "out" / "one" / "old-00000-of-00001.parquet"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"old")
    maker.write_sample_set(maker.load_sample_set(source), tmp_path / "out", SilentFlite(3))
    assert [path.name for path in stale.parent.iterdir()] == ["test-00000-of-00001.parquet"]
    assert pq.read_table(stale.parent / "test-00000-of-00001.parquet")["reference"].to_pylist() == ["yes"]


@pytest.mark.parametrize("seconds", [1.0, 30.0])
def test_clips_of_odd_length_are_refused(maker: ModuleType, tmp_path: Path, seconds: float) -> None:
    source = tmp_path / "small.toml"
    source.write_text(GOOD, encoding="utf-8")
    with pytest.raises(maker.SampleDataError, match=r"one_test_0000\.ogg lasts .* 'Is this spoken\?'"):
        maker.write_sample_set(maker.load_sample_set(source), tmp_path / "out", SilentFlite(seconds))


def test_a_missing_synthesizer_is_explained(maker: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert maker.main(["--flite", "no-such-flite"]) == 2
    assert "apt-get install flite" in capsys.readouterr().err


# Tables with clips beside them.


@pytest.mark.parametrize("name", ["openaudiobench"])
def test_tables_match_their_text(maker: ModuleType, name: str) -> None:
    """A question edited in the text file must be spoken again."""
    sample_set = maker.load_sample_set(maker.SOURCES / f"{name}.toml")
    folder = maker.TARGET / name
    assert (folder / "README.md").read_text("utf-8") == maker.card(sample_set)
    expected = {folder / "README.md"}
    for config in sample_set.configs:
        here = folder / sample_set.folder / config.name
        with open(here / f"{config.name}.csv", encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file))
        clips = [clip.pop("audio_filename") for clip in found]
        assert found == [{config.spoken: row.prompt, **row.columns} for row in config.rows]
        assert [Path(clip).suffix for clip in clips] == [
            maker.FORMATS[row.format].suffix for row in config.rows
        ]
        expected |= {here / f"{config.name}.csv", *(here / "audios" / clip for clip in clips)}
        for clip in clips:
            samples, rate = soundfile.read(here / "audios" / clip)
            assert (rate, samples.ndim) == (16_000, 1)
            assert 0.02 < np.sqrt(np.mean(samples**2)) < 0.5
    assert {path for path in folder.rglob("*") if path.is_file()} == expected
    assert sum(path.stat().st_size for path in expected) < 1_200_000


def test_a_table_names_its_clips_and_its_question(maker: ModuleType, tmp_path: Path) -> None:
    source = tmp_path / "small.toml"
    head = 'layout = "csv"\nfolder = "data"\nlanguages = ["en", "zh"]\n'
    text = GOOD.replace("[configs.one.columns]", '[configs.one]\nspoken = "Question"\n[configs.one.columns]')
    source.write_text(head + text, encoding="utf-8")
    stale = tmp_path / "out" / "data" / "one" / "audios" / "stale.ogg"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"old")
    maker.write_sample_set(maker.load_sample_set(source), tmp_path / "out", SilentFlite(3))
    table = tmp_path / "out" / "data" / "one" / "one.csv"
    assert table.read_text("utf-8") == "Question,reference,audio_filename\nIs this spoken?,yes,one_0000.ogg\n"
    assert [path.name for path in stale.parent.iterdir()] == ["one_0000.ogg"]
    header = yaml.safe_load((tmp_path / "out" / "README.md").read_text("utf-8").split("---")[1])
    assert header["language"] == ["en", "zh"]
    assert header["configs"][0]["data_files"] == [{"split": "test", "path": "data/one/one.csv"}]


def test_an_unknown_layout_is_refused(maker: ModuleType, tmp_path: Path) -> None:
    source = tmp_path / "small.toml"
    source.write_text('layout = "zip"\n' + GOOD, encoding="utf-8")
    with pytest.raises(maker.SampleDataError, match="unknown layout 'zip'; known: parquet, folders, csv"):
        maker.load_sample_set(source)


SAYING = """#!/usr/bin/env python3
import sys, wave
if "-lv" in sys.argv:
    print("Voices available: slt rms")
    sys.exit()
arguments = sys.argv[1:]
rate = 22050 if "-v" in arguments else 16000
with wave.open(arguments[-1], "wb") as file:
    file.setparams((1, 2, rate, 0, "NONE", ""))
    file.writeframes(b"\\x00\\x10" * rate)
"""


def test_a_voice_names_its_synthesizer(maker: ModuleType, tmp_path: Path) -> None:
    program = tmp_path / "say"
    program.write_text(SAYING, encoding="utf-8")
    program.chmod(0o755)
    speaker = maker.Speaker(str(program), str(program))
    for voice in ("slt", "espeak-ng:cmn"):
        clip = speaker.speak("text", voice)
        assert (clip.dtype, len(clip)) == (np.int16, 16_000)
        assert clip[8000] == 4096
    with pytest.raises(maker.SampleDataError, match="Flite has no voice 'cmn'; it has: slt, rms"):
        speaker.speak("text", "cmn")
    with pytest.raises(maker.SampleDataError, match="apt-get install espeak-ng"):
        maker.Speaker(str(program), "no-such-espeak").speak("text", "espeak-ng:cmn")
