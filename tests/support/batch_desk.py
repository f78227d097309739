"""The files and batches of a chat server: calls handed in as a file, worked on while polled, results as files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.support.chat_server import Action, Answer, Raw, Recorded, completion, trouble

Ending = Literal["completed", "failed", "expired", "cancelled"]
_MULTIPART = re.compile(rb'name="file".*?\r\n\r\n(?P<content>.*?)\r\n--', re.DOTALL)


@dataclass
class Batch:
    """One batch as the server holds it."""

    id: str
    calls: list[dict[str, Any]]
    polls: int
    ending: Ending
    output: str | None = None
    errors: str | None = None
    over: bool = False


@dataclass
class BatchDesk:
    """Answers the paths /files and /batches; put its `handle` into `ChatServer.desk`."""

    reply: Callable[[dict[str, Any]], Action]
    polls: int = 1
    """How often a new batch is still being worked on when asked about."""
    ending: Ending = "completed"
    answered: int | None = None
    """Of a batch that ends early, the calls that were answered; all of them for None."""
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)

    def handle(self, request: Recorded) -> Raw | None:
        """The answer to a request, or None if it is about something else."""
        path = request.path.split("?")[0].removeprefix("/v1")
        if path == "/files" and request.method == "POST":
            return self._upload(request.raw)
        if found := re.fullmatch(r"/files/([\w-]+)/content", path):
            content = self.files.get(found[1])
            return _missing() if content is None else Raw(content, content_type="application/octet-stream")
        if path == "/batches" and request.method == "POST":
            return self._create(json.loads(request.raw))
        if found := re.fullmatch(r"/batches/([\w-]+)", path):
            batch = self.batches.get(found[1])
            return _missing() if batch is None else _json(self._state(batch))
        return None

    def _upload(self, raw: bytes) -> Raw:
        found = _MULTIPART.search(raw)
        assert found is not None, raw[:500]
        name = self._keep(found["content"])
        return _json({"id": name, "object": "file", "purpose": "batch", "bytes": len(found["content"])})

    def _create(self, body: Mapping[str, Any]) -> Raw:
        lines = self.files[body["input_file_id"]].splitlines()
        name = f"batch_{len(self.batches) + 1}"
        calls = [json.loads(line) for line in lines]
        assert body["completion_window"] == "24h"
        assert all(call["url"] == body["endpoint"] and call["method"] == "POST" for call in calls)
        self.batches[name] = Batch(name, calls, self.polls, self.ending)
        return _json(_shown(self.batches[name]))

    def _state(self, batch: Batch) -> dict[str, Any]:
        shown = {
            "id": batch.id,
            "object": "batch",
            "status": "in_progress",
            "endpoint": "/v1/chat/completions",
        }
        if batch.polls > 0:
            batch.polls -= 1
            return shown
        if batch.ending == "failed":
            problem = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}
            return {**shown, "status": "failed", "errors": {"object": "list", "data": [problem]}}
        if not batch.over:
            self._finish(batch)
        return {
            **shown,
            "status": batch.ending,
            "output_file_id": batch.output,
            "error_file_id": batch.errors,
        }

    def _finish(self, batch: Batch) -> None:
        batch.over = True
        answered = len(batch.calls) if self.answered is None else self.answered
        good, bad = [], []
        for call in batch.calls[:answered]:
            line = _answered(call, self.reply(call["body"]))
            (good if line["response"]["status_code"] == 200 else bad).append(line)
        for call in batch.calls[answered:]:
            problem = {"code": "batch_expired", "message": "This request could not be executed in time."}
            bad.append({"custom_id": call["custom_id"], "response": None, "error": problem})
        # Replies come in any order.
        batch.output = self._keep(_lines(good[::-1])) if good else None
        batch.errors = self._keep(_lines(bad)) if bad else None

    def _keep(self, content: bytes) -> str:
        name = f"file-{len(self.files) + 1}"
        self.files[name] = content
        return name


def _shown(batch: Batch) -> dict[str, Any]:
    return {"id": batch.id, "object": "batch", "status": "in_progress", "endpoint": "/v1/chat/completions"}


def _answered(call: Mapping[str, Any], action: Action) -> dict[str, Any]:
    if isinstance(action, Raw):
        response = {"status_code": action.status, "body": json.loads(action.body)}
    else:
        assert isinstance(action, Answer), "in a batch there is no connection to misbehave on"
        response = {"status_code": 200, "body": completion(action, dict(call["body"]))}
    return {"id": "batch_req_1", "custom_id": call["custom_id"], "response": response, "error": None}


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def _json(body: Mapping[str, Any]) -> Raw:
    return Raw(json.dumps(body).encode())


def _missing() -> Raw:
    return trouble(404, "No such thing")
