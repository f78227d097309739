"""A headless Chromium, driven over its debugging pipe: no driver program and no further package."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 20.0
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # it runs as root in containers, and meets our own pages only
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
)
_KEYS = {"Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, "ArrowRight": 39, "Tab": 9}


class BrowserError(AssertionError):
    """The page did not do what it was told to."""


def find_browser() -> str | None:
    """The first browser on the path that we can drive."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


needs_browser = pytest.mark.skipif(
    find_browser() is None, reason=f"no browser on the path: {', '.join(NAMES)}"
)


@contextmanager
def open_page() -> Iterator[Page]:
    """A browser with one page, closed afterwards."""
    command = find_browser()
    assert command is not None
    to_browser, from_browser = os.pipe(), os.pipe()
    # High numbers first, so that putting them at 3 and 4 overwrites neither.
    theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (to_browser[0], from_browser[1])]

    def wire() -> None:
        os.dup2(theirs[0], 3)
        os.dup2(theirs[1], 4)

    with tempfile.TemporaryDirectory(prefix="fac-eval-browser-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [command, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=wire,  # noqa: PLW1509 - two system calls between fork and exec
            pass_fds=(3, 4),
        )
        for fd in (*theirs, to_browser[0], from_browser[1]):
            os.close(fd)
        try:
            yield Page(to_browser[1], from_browser[0])
        finally:
            os.close(to_browser[1])
            os.close(from_browser[0])
            try:
                process.wait(10)  # it ends when its pipe does
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Page:
    """One page: where it goes, what it shows, what a user does there."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        """Uncaught errors and violations of the page's policy."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")
        self.resize(1280, 860)

    # Talking to the browser.

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        deadline = time.monotonic() + 2 * PATIENCE
        while True:
            answer = self._next(deadline)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error'].get('message')}")
                result: dict[str, Any] = answer["result"]
                return result
            self._heard(answer)

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self._read, 1 << 20) if ready else b""
            if not data:
                raise BrowserError("the browser does not answer")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def _heard(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description") or details["text"])
        elif event.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            entry = parameters["entry"]
            self.complaints.append(f"{entry['source']}: {entry['text']} {entry.get('url', '')}".strip())

    # What the page is and shows.

    def go(self, url: str, ready: str = "document.documentElement.dataset.ready") -> None:
        """Open an address as a new document and wait until the page says that it is ready."""
        self._call("Page.navigate", url="about:blank")
        self._call("Page.navigate", url=url)
        self.until(f"location.href !== 'about:blank' && {ready}")

    def leave(self) -> None:
        """Close the document, so that it asks a server that ends for nothing more."""
        self._call("Page.navigate", url="about:blank")
        self.until("location.href === 'about:blank'")

    def resize(self, width: int, height: int, *, scale: float = 1) -> None:
        """The size of the window; below 500 it is a phone."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 500,
        )

    def prefer(self, scheme: str) -> None:
        """What the system prefers: `light` or `dark`."""
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def value(self, expression: str) -> Any:
        """What a JavaScript expression comes to; promises are awaited."""
        done = self._call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in done:
            raise BrowserError(
                f"{expression}: {done['exceptionDetails'].get('exception', {}).get('description')}"
            )
        return done["result"].get("value")

    def until(self, expression: str, patience: float = PATIENCE) -> Any:
        """Wait until an expression is true, and return its value."""
        deadline = time.monotonic() + patience
        while True:
            # A navigation under way takes the waiting script with it; it is simply asked again.
            try:
                found = self.value(_WAIT % {"expression": expression})
            except BrowserError as error:
                if "context" not in str(error) and "navigated" not in str(error):
                    raise
                found = None
            if found:
                return found
            if time.monotonic() > deadline:
                raise BrowserError(f"waited in vain for {expression}; the page says: {self.text()[:600]!r}")

    def text(self, selector: str = "body") -> str:
        """The text that an element shows."""
        one = f"document.querySelector({json.dumps(selector)})"
        return str(self.value(f"{one}?.innerText ?? {one}?.textContent ?? ''"))

    def texts(self, selector: str) -> list[str]:
        """The texts that all elements of a kind show."""
        found: list[str] = self.value(
            f"[...document.querySelectorAll({json.dumps(selector)})]"
            ".map((one) => (one.innerText ?? one.textContent).trim())"
        )
        return found

    def count(self, selector: str) -> int:
        """How many elements there are of a kind."""
        return int(self.value(f"document.querySelectorAll({json.dumps(selector)}).length"))

    def shot(self, path: Path | str, *, full: bool = False) -> None:
        """Save a picture of the page."""
        taken = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=full)
        Path(path).write_bytes(base64.b64decode(taken["data"]))

    # What a user does.

    def click(self, selector: str) -> None:
        """Click in the middle of an element, as with a mouse."""
        self.until(f"document.querySelector({json.dumps(selector)})")
        x, y = self.value(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)});"
            " one.scrollIntoView({block: 'center', inline: 'center'}); const box = one.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press a key by its name or letter."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        code = _KEYS.get(key, ord(key.upper()[0]))
        self._call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        self._call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def write(self, text: str) -> None:
        """Type text into whatever has the focus."""
        self._call("Input.insertText", text=text)

    def choose(self, selector: str, value: str) -> None:
        """Choose an option of a drop-down list."""
        self.value(
            f"(() => {{ const list = document.querySelector({json.dumps(selector)}); list.value = {json.dumps(value)};"
            " list.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )


_WAIT = """new Promise((resolve) => {
  const end = performance.now() + 2000;
  const look = () => {
    let found = null;
    try { found = (%(expression)s); } catch { found = null; }
    if (found || performance.now() > end) resolve(found ? (typeof found === "object" ? true : found) : null);
    else setTimeout(look, 15);
  };
  look();
})"""
