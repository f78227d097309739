"""What the Speech-FC sub-sets share: reading items, offering tools, scoring calls, and the protocol identity."""

from __future__ import annotations

import dataclasses
import json
import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from fac_eval.audio import Audio
from fac_eval.data.hub import DataFinder
from fac_eval.data.hub_dataset import HubDataset
from fac_eval.data.tables import Table, open_table, require_columns
from fac_eval.errors import DataError
from fac_eval.models.replay import ID_COLUMNS
from fac_eval.scores import Metric
from fac_eval.task import Task
from fac_eval.vocabulary import (
    Evidence,
    Figure,
    Message,
    Request,
    Response,
    Sample,
    Score,
    Settings,
    Text,
    system,
    user,
)

from .speech_fc_tools import (
    PROMPT_FILE,
    NativeTools,
    Wording,
    native_tools,
    prompt_template,
    system_prompt,
    tool_definitions,
    wording_here,
)

if TYPE_CHECKING:
    from fac_eval.data.assets import Asset
    from fac_eval.metrics.toolcall_check import CallCheck
    from fac_eval.scores import ScoreTable

REPO = "FunAudioLLM/SpeechFCEval"
SAMPLE_DATA = Path(__file__).parent / "sample_data" / "speech_fc"

FOLDERS: Mapping[str, str] = {
    "acebench_single": "SpeechFC_ACEBench_Single",
    "acebench_parallel": "SpeechFC_ACEBench_Parallel",
    "bfcl_single": "SpeechFC_BFCL_Single",
    "bfcl_parallel": "SpeechFC_BFCL_Parallel",
    "smartinteract": "SpeechFC_SmartInteract",
}
"""The folders of the data set, which spells some of them with `-` for `_`."""
SCORED = ("function", "ground_truth", "utterance")
"""The columns that any of the scorers reads besides the prediction."""
_TAG = "<tool_call>"
_SPEAKER = re.compile(r"_speaker\d+$")


@dataclass(frozen=True, slots=True)
class SpeechFcOptions:
    """How the tools are offered, and how odd cases are scored."""

    tools: Literal["prompt", "native"] = "prompt"
    """`prompt` writes the tools into the system prompt as the authors do; `native` hands them over as JSON Schema,
    for chat APIs that take tools, and maps the names that are called back."""
    wording: Literal["auto", "official", "own"] = "auto"
    """Whose system prompt: the authors', read from their pinned file, or ours; `auto` takes theirs if it is there."""
    malformed: Literal["count_wrong", "fail"] = "count_wrong"
    """A record that stops the official scorer counts as wrong (label `scorer_error`), or fails as `score_error`."""
    records: str = ""
    """A file of predictions as upstream writes them, whose own items are scored; no data set is needed then."""


@dataclass(frozen=True, slots=True)
class BfclOptions(SpeechFcOptions):
    """The common options, and how names with dots are expected."""

    dotted_names: Literal["keep", "underscore"] = "keep"
    """`underscore` expects `a_b` where the function is `a.b`, as upstream does for models named gpt-4o."""


@dataclass(frozen=True, slots=True)
class AceBenchOptions(SpeechFcOptions):
    """The common options, where the date goes, and the strict diagnostic."""

    time_placement: Literal["system", "user", "none"] = "system"
    """Where the date line of an item goes, if it has one: after the system prompt's first line, after the clip, or
    nowhere. Upstream's code never reads it."""
    strict_values: bool = False
    """Adds a figure that also compares top-level numbers and booleans; the accuracy stays the official one."""


class SpeechFcTask(Task):
    """What the sub-sets share: a clip, tools to choose from, and the calls that are right."""

    options: SpeechFcOptions
    subset: ClassVar[str]
    """What the sub-set is called in `FOLDERS`, and where accuracies are added up."""
    rows: ClassVar[int]
    columns: ClassVar[tuple[str, ...]] = ("function", "ground_truth")
    """What the scorer reads besides the prediction."""
    # Upstream decodes text greedily and leaves the length to the checkpoint.
    settings = Settings(temperature=0.0)

    # Where the items come from.

    @property
    def folder(self) -> str:
        """The sub-set's folder."""
        return FOLDERS[self.subset]

    @cached_property
    def dataset(self) -> HubDataset:
        """The sub-set's folder on the hub."""
        folder = self.folder.replace("_", "?")
        return HubDataset(
            REPO,
            self.folder,
            columns=(*self.columns, "file_name", "dataset_key"),
            audio="file_name",
            id_column="dataset_key",
            expected_rows={self.folder: self.rows},
            files=(f"{folder}/**",),
            table=f"{folder}/metadata.jsonl",
            benchmark="speech_fc",
            sample=SAMPLE_DATA,
        )

    def datasets(self) -> tuple[HubDataset, ...]:
        """The sub-set's folder, unless a file of predictions brings the items."""
        return () if self.options.records else (self.dataset,)

    def assets(self) -> tuple[Asset, ...]:
        """The authors' system prompt."""
        return (PROMPT_FILE,)

    def check(self, data: DataFinder) -> None:
        """Make sure of the columns, of the system prompt, and that a file of predictions is about this sub-set."""
        table = self._table(data)
        require_columns(table, self.columns if self.options.records else self.dataset.columns)
        if not self.options.records:
            if self.options.tools == "prompt":
                prompt_template(self.wording)
        elif "category" in table.columns:
            for number, row in table.rows(("category",)):
                self._check_category(table.where(number), row.get("category"))

    def size(self, data: DataFinder) -> int:
        """The lines of the table of items."""
        return self._table(data).count

    def over_items_of(self, file: Path) -> SpeechFcTask:
        """This task over the items of upstream's predictions, if `file` holds them."""
        brings_items = {"function", "ground_truth"} <= set(open_table(file).columns)
        if self.options.records or not brings_items:
            return self
        return type(self)(replace(self.options, records=str(file)))

    def data_fingerprint(self, data: DataFinder) -> str:
        """The base's; of a file of predictions the items alone, so that it is the same for every model's."""
        if not self.options.records:
            return super().data_fingerprint(data)
        state, table = blake2b(digest_size=16), self._table(data)
        for _, row in table.rows([name for name in (*ID_COLUMNS, *SCORED) if name in table.columns]):
            state.update(json.dumps(row, sort_keys=True).encode())
        return f"items:{state.hexdigest()}"

    def samples(self, data: DataFinder) -> Iterator[Sample]:
        """The items in the table's order, known by upstream's `dataset_key`."""
        table = self._table(data)
        columns = ID_COLUMNS if self.options.records else ("dataset_key",)
        column = next((name for name in columns if name in table.columns), "")
        taken: set[str] = set()
        for number, row in table.rows():
            name = str(row.get(column, f"{table.unit}-{number}"))
            if name in taken:  # upstream's scorer takes no notice of the key
                name = f"{name}#{number}"
            taken.add(name)
            yield self._sample(name, row, self._clip(data, name, row))

    def _sample(self, name: str, row: Mapping[str, Any], clip: Audio) -> Sample:
        speaker = _SPEAKER.search(name)
        return Sample(
            id=name,
            messages=(user(clip),),
            reference={column: row[column] for column in SCORED if column in row},
            metadata={
                key: row[key] for key in ("time", "category", "index") if row.get(key) not in (None, "")
            },
            # The same request, read by several speakers.
            cluster=name[: speaker.start()] if speaker else None,
        )

    def _clip(self, data: DataFinder, name: str, row: Mapping[str, Any]) -> Audio:
        if self.options.records:
            # Predictions are scored without their clips; a model that asks for the sound is told it is not here.
            return Audio.reference(blake2b(name.encode(), digest_size=16).hexdigest(), seconds=0.0)
        return Audio.from_file(data.clip_path(self.dataset, str(row.get("file_name"))))

    def _table(self, data: DataFinder) -> Table:
        if self.options.records:
            return open_table(Path(self.options.records).expanduser())
        return data.table(self.dataset)

    def _check_category(self, where: str, category: Any) -> None:
        others = {_folded(folder) for folder in FOLDERS.values() if folder != self.folder}
        if _folded(category) in others:
            raise DataError(
                f"{where}: the category {category!r} is not that of {self.name}.",
                remedy="Score each sub-set's predictions from a file of their own.",
            )

    # What is asked.

    @cached_property
    def wording(self) -> Wording:
        """Whose system prompt is used, `auto` worked out."""
        return wording_here() if self.options.wording == "auto" else self.options.wording

    @cached_property
    def _template(self) -> str:
        return prompt_template(self.wording)

    def request(self, sample: Sample) -> Request:
        """The clip, with the tools in the system prompt or beside it."""
        if self.options.records:
            return Request(sample.messages, self.output, self.settings)
        messages = sample.messages
        time = str(sample.metadata.get("time", ""))
        placement = getattr(self.options, "time_placement", "none")
        if time and placement == "user":
            messages = (Message("user", (*messages[0].parts, Text(time))),)
        line = time if placement == "system" else ""
        if self.options.tools == "native":
            messages = (system(line), *messages) if line else messages
            return Request(messages, self.output, self.settings, self._native(sample).tools)
        prompt = system_prompt(self._template, tool_definitions(sample.reference["function"]), line)
        return Request((system(prompt), *messages), self.output, self.settings)

    def _native(self, sample: Sample) -> NativeTools:
        return native_tools(tool_definitions(sample.reference["function"]))

    # What an answer is worth.

    @property
    def malformed(self) -> Literal["count_wrong", "raise"]:
        """The scorers' policy for records that stop the official one; what raises becomes a failed sample."""
        return "raise" if self.options.malformed == "fail" else "count_wrong"

    @abstractmethod
    def check_calls(self, record: Mapping[str, Any], *, restored: bool = False) -> CallCheck:
        """The official verdict; `restored` calls bear the names in the data set whatever the model is called."""

    def check_strictly(self, record: Mapping[str, Any]) -> CallCheck | None:
        """The verdict of the strict diagnostic, where the sub-set has one and it is asked for."""
        return None

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """1 for the right calls; the label is the official one, the parts tell the kind of error."""
        reply, restored = self._reply(sample, response)
        record = {**sample.reference, "predict": reply}
        check, strict = self.check_calls(record, restored=restored), self.check_strictly(record)
        parts: dict[str, float] = {} if check.kind is None else {_part(check.kind): 1.0}
        found: dict[str, Any] = {"dropped": list(check.decoded.dropped)} if check.decoded.dropped else {}
        if strict is not None:
            parts["strict"] = float(strict.valid)
            found["strict"] = strict.label
        return Score(
            value=float(check.valid),
            label=check.label,
            explanation=check.message or None,
            parts=parts,
            evidence=found,
        )

    def _reply(self, sample: Sample, response: Response) -> tuple[str, bool]:
        """The text that is scored, and whether it was written from native calls with their names restored."""
        from fac_eval.metrics.toolcall_parse import calls_as_text

        native, text = self.options.tools == "native", response.text
        if response.tool_calls and (native or _TAG not in (text or "")):
            calls = self._native(sample).restored(response.tool_calls) if native else response.tool_calls
            return calls_as_text(calls), native
        if text is None:
            raise DataError("the response holds neither text nor calls")
        return text, False

    def figures(self, table: ScoreTable) -> list[Figure]:
        """The accuracy as upstream prints it, and the share of each kind of error that occurred."""
        from fac_eval.metrics.toolcall_check import CORRECT, ErrorKind

        labels = Counter(label for label in table.labels if label not in (None, CORRECT))
        wrong = ", ".join(f"{label} {n:,}" for label, n in labels.most_common())
        figures = [
            replace(self._accuracy(table, "accuracy"), main=True, note=f"wrong: {wrong}" if wrong else None)
        ]
        if getattr(self.options, "strict_values", False):
            figures.append(self._accuracy(table, "strict accuracy", of="strict"))
        figures += [
            table.figure(Metric(kind, of=_part(kind), higher_is_better=False))
            for kind in get_args(ErrorKind)
            if table.column(_part(kind)).any()
        ]
        return figures

    def _accuracy(self, table: ScoreTable, name: str, of: str = "value") -> Figure:
        from fac_eval.metrics.speech_fc_aggregate import printed_accuracy

        printed = printed_accuracy(self.subset, int(table.column(of).sum()), table.n)
        return replace(table.figure(Metric(name, of=of)), value=float(printed))

    @abstractmethod
    def replies(self, ground_truth: Any) -> Iterator[str]:
        """Replies that may be right, the likeliest first."""

    def ideal(self, sample: Sample) -> str | None:
        """A reply that the scorer accepts; None for an item with which no such reply can be made."""
        try:
            replies = list(self.replies(sample.reference["ground_truth"]))
        except (LookupError, TypeError, AttributeError, ValueError):
            return None  # a malformed record, which the scorer names
        for reply in replies:
            record = {**sample.reference, "predict": reply}
            strict = self.check_strictly(record)
            if self.check_calls(record).valid and (strict is None or strict.valid):
                return reply
        return None

    # What the score stands for.

    def protocol(self) -> Mapping[str, Any]:
        """The base's, with the wording in force; what was asked is unknown where a file brings the answers."""
        options = dataclasses.asdict(self.options)
        if options.pop("records"):
            for name in ("tools", "wording", "time_placement"):
                options.pop(name, None)
            return {**super().protocol(), "options": options, "datasets": ["items of the predictions' file"]}
        del options["wording"]
        if self.options.tools == "prompt":
            options["wording"] = self.wording
        return {**super().protocol(), "options": options}

    @property
    def spec(self) -> Mapping[str, Any]:
        """What rebuilds this task, with the wording in force."""
        wording = self.options.wording if self.options.records else self.wording
        return {"name": type(self).name, "options": {**dataclasses.asdict(self.options), "wording": wording}}

    @property
    def variant(self) -> str:
        """The named variants in force; those of the question only where one is asked."""
        options = dict(self.protocol()["options"])
        strict = options.pop("strict_values", False)
        shown = [f"{name}={value}" for name, value in options.items()]
        shown += ["strict_values=true"] if strict else []
        return ",".join([*shown, "items=records"] if self.options.records else shown)


def _part(kind: str) -> str:
    return f"error_{kind}"  # `value` is the name of a column of its own


def _folded(category: Any) -> str:
    return re.sub(r"[-_ ]", "", str(category)).lower()
