"""A real local HTTP server that speaks the chat-completions protocol, and misbehaves on demand.

    with ChatServer() as server:
        server.script(rate_limited(retry_after=0), Answer("hello"))   # for the next requests, in order
        server.answer = lambda body: Answer("and this from then on")
        ...                                                           # talk to server.base_url
        assert len(server.requests) == 2

As a script it serves until its standard input closes: `python chat_server.py --latency 0.05`.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import sys
import threading
import time
import wave
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from types import TracebackType

USAGE: Mapping[str, Any] = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


@dataclass(frozen=True)
class Answer:
    """A proper answer, sent whole or streamed as the request asks.

    `audio` holds the bytes of a WAV file; `text` is its transcript then. `tool_calls` are (name, arguments).
    """

    text: str | None = "ok"
    audio: bytes | None = None
    tool_calls: tuple[tuple[str, str], ...] = ()
    finish_reason: str | None = "stop"
    usage: Mapping[str, Any] | None = field(default_factory=lambda: USAGE)
    refusal: str | None = None
    done: bool = True
    """Whether a streamed answer ends with its finish reason, usage and the mark of the end."""


@dataclass(frozen=True)
class Raw:
    """Exactly these bytes under this status and content type."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Hang:
    """No answer at all until the server closes."""


@dataclass(frozen=True)
class Slow:
    """An answer whose body comes in pieces over `seconds`."""

    answer: Answer
    seconds: float


@dataclass(frozen=True)
class Drop:
    """The connection closes after that many bytes of a proper answer, head included."""

    after: int = 0
    answer: Answer = Answer()


Action = Answer | Raw | Hang | Slow | Drop


@dataclass(frozen=True)
class Recorded:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes
    at: float

    @property
    def body(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.raw)
        return parsed


def trouble(status: int, message: str, *, code: str | None = None, **headers: str) -> Raw:
    """An error answer with the protocol's body; `retry_after="2"` becomes the header Retry-After."""
    body = {"error": {"message": message, "type": "some_error", "param": None, "code": code}}
    return Raw(
        json.dumps(body).encode(), status, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def rate_limited(retry_after: float | str | None = None) -> Raw:
    """429, with or without Retry-After."""
    headers = {} if retry_after is None else {"retry_after": str(retry_after)}
    return trouble(429, "Rate limit reached", code="rate_limit_exceeded", **headers)


def no_quota() -> Raw:
    """429 that no waiting helps against."""
    return trouble(429, "You exceeded your current quota", code="insufficient_quota")


def too_long() -> Raw:
    """400: the request does not fit the context."""
    return trouble(400, "This model's maximum context length is 128 tokens", code="context_length_exceeded")


def truncated() -> Raw:
    """JSON that stops in the middle."""
    return Raw(b'{"id": "chatcmpl-1", "choices": [{"index": 0, "message": {"role": "assi')


def no_choices() -> Raw:
    """A well-formed answer without choices."""
    return Raw(json.dumps({"id": "chatcmpl-1", "choices": [], "usage": USAGE}).encode())


def web_page() -> Raw:
    """HTML with status 200, as a proxy's login page comes."""
    return Raw(b"<html><body>Please log in</body></html>", content_type="text/html")


class ChatServer:
    """Serves on a free local port from a thread of its own, as a context manager.

    Attributes:
        requests: every request so far.
        answer: what a request gets that no scripted action is left for: an action, or a function of the body.
        latency: seconds before each answer.
        peak: the most chat requests that were in hand at once.
        desk: answers what is neither a chat request nor a list of models.
    """

    def __init__(self, *, latency: float = 0.0, models: tuple[str, ...] = ("test-model",)) -> None:
        self.latency = latency
        self.models = models
        self.answer: Action | Callable[[dict[str, Any]], Action] = Answer()
        self.requests: list[Recorded] = []
        self.peak = 0
        self.desk: Callable[[Recorded], Raw | None] = lambda request: None
        self.port = 0
        self._in_hand = 0
        self._actions: deque[Action] = deque()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self._closing: asyncio.Event

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def chats(self) -> list[Recorded]:
        """The chat requests so far."""
        return [request for request in self.requests if request.path.endswith("/chat/completions")]

    def script(self, *actions: Action) -> None:
        """What the next chat requests get, in the order they come."""
        self._actions.extend(actions)

    def __enter__(self) -> ChatServer:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the chat server did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._connection(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._closing.wait()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read_request(reader)) is not None:
                self.requests.append(request)
                if not await self._respond(request, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away, which is what some tests are about
        finally:
            writer.close()

    async def _respond(self, request: Recorded, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False ends the connection."""
        if request.path.endswith("/models"):
            data = [{"id": name, "object": "model"} for name in self.models]
            return await _send(writer, Raw(json.dumps({"object": "list", "data": data}).encode()))
        if not request.path.endswith("/chat/completions"):
            return await _send(writer, self.desk(request) or trouble(404, f"Unknown path {request.path}"))
        self._in_hand += 1
        self.peak = max(self.peak, self._in_hand)
        try:
            if self.latency:
                await asyncio.sleep(self.latency)
            return await self._act(request.body, writer)
        finally:
            self._in_hand -= 1

    async def _act(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        if self._actions:
            action = self._actions.popleft()
        else:
            action = self.answer(body) if callable(self.answer) else self.answer
        if isinstance(action, Raw):
            return await _send(writer, action)
        if isinstance(action, Hang):
            await self._closing.wait()
            return False
        if isinstance(action, Drop):
            head, pieces = _render(action.answer, body)
            writer.write((head + b"".join(pieces))[: action.after])
            await writer.drain()
            return False
        answer, seconds = (action.answer, action.seconds) if isinstance(action, Slow) else (action, 0.0)
        head, pieces = _render(answer, body)
        if seconds and len(pieces) == 1:
            pieces = [pieces[0][n : n + 16] for n in range(0, len(pieces[0]), 16)]
        writer.write(head)
        async for piece in _paced(pieces, seconds):
            writer.write(piece)
            await writer.drain()
        return True


async def _paced(pieces: list[bytes], seconds: float) -> AsyncIterator[bytes]:
    for piece in pieces:
        if seconds:
            await asyncio.sleep(seconds / len(pieces))
        yield piece


async def _read_request(reader: asyncio.StreamReader) -> Recorded | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
    }
    raw = await reader.readexactly(int(headers.get("content-length", 0)))
    return Recorded(method, path, headers, raw, time.monotonic())


async def _send(writer: asyncio.StreamWriter, raw: Raw) -> bool:
    writer.write(_head(raw.status, raw.content_type, len(raw.body), raw.headers) + raw.body)
    await writer.drain()
    return True


def _head(status: int, kind: str, length: int | None, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", "X-Request-Id: req-1"]
    lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _render(answer: Answer, body: dict[str, Any]) -> tuple[bytes, list[bytes]]:
    """An answer's head, and its body in the pieces it is sent in."""
    if not body.get("stream"):
        whole = json.dumps(completion(answer, body)).encode()
        return _head(200, "application/json", len(whole), {}), [whole]
    with_usage = (body.get("stream_options") or {}).get("include_usage", False)
    events = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in _chunks(answer, body, with_usage)]
    if answer.done:
        events.append(b"data: [DONE]\n\n")
    pieces = [b"%x\r\n%s\r\n" % (len(event), event) for event in events] + [b"0\r\n\r\n"]
    return _head(200, "text/event-stream", None, {}), pieces


def completion(answer: Answer, body: dict[str, Any]) -> dict[str, Any]:
    """The body of an answer that is sent whole."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": answer.refusal}
    if answer.audio is not None:
        data = base64.b64encode(answer.audio).decode()
        message |= {"content": None, "audio": {"id": "audio_1", "data": data, "transcript": answer.text}}
    if answer.tool_calls:
        message["tool_calls"] = [_call(number, *call) for number, call in enumerate(answer.tool_calls)]
    choice = {"index": 0, "message": message, "finish_reason": answer.finish_reason}
    return {**_frame("chat.completion", body), "choices": [choice], "usage": answer.usage}


def _chunks(answer: Answer, body: dict[str, Any], with_usage: bool) -> list[dict[str, Any]]:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None if answer.audio else ""}]
    words = (answer.text or "").split(" ")
    pieces = [word if number == 0 else " " + word for number, word in enumerate(words)]
    if answer.audio is not None:
        deltas += [{"audio": {"id": "audio_1", "transcript": piece}} for piece in pieces]
        deltas += [{"audio": {"data": data}} for data in _pcm_pieces(answer.audio)]
    elif answer.text:
        deltas += [{"content": piece} for piece in pieces]
    for number, (name, arguments) in enumerate(answer.tool_calls):
        half = len(arguments) // 2
        deltas.append({"tool_calls": [{"index": number, **_call(number, name, arguments[:half])}]})
        deltas.append({"tool_calls": [{"index": number, "function": {"arguments": arguments[half:]}}]})
    frame = _frame("chat.completion.chunk", body)
    chunks = [{**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    if answer.done:
        last = {"index": 0, "delta": {}, "finish_reason": answer.finish_reason}
        chunks.append({**frame, "choices": [last]})
        if with_usage and answer.usage is not None:
            chunks.append({**frame, "choices": [], "usage": answer.usage})
    return chunks


def _frame(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": body.get("model")}


def _call(number: int, name: str, arguments: str) -> dict[str, Any]:
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


def _pcm_pieces(wav: bytes, size: int = 4800) -> list[str]:
    with wave.open(io.BytesIO(wav)) as file:
        pcm = file.readframes(file.getnframes())
    return [base64.b64encode(pcm[at : at + size]).decode() for at in range(0, len(pcm), size)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve chat completions until standard input closes.")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    with ChatServer(latency=parser.parse_args().latency) as server:
        print(server.base_url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
