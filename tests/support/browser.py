"""A real browser without a screen, driven over a pipe by its own protocol: no driver, no port, no network."""

import base64
import itertools
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

PROGRAM = "chromium"
SILENCE = 60.0  # seconds after which a browser that says nothing has hung
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
)  # fmt: skip


_CODES = {
    "Enter": 13,
    "Escape": 27,
    "Tab": 9,
    "ArrowUp": 38,
    "ArrowDown": 40,
    "Backspace": 8,
}  # Windows' numbers of keys


class Browser:
    """One page of a browser. `troubles` is what it has complained of: errors of scripts, refusals, failed requests."""

    def __init__(self, send: Any, receive: Any) -> None:
        self._send, self._receive = send, receive
        self._ids = itertools.count(1)
        self._session: str | None = None
        self._held = b""
        self.troubles: list[str] = []
        self.requested: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for name in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{name}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        message = {"id": number, "method": method, "params": parameters}
        self._send.write(json.dumps({**message, **({"sessionId": self._session} if self._session else {})}).encode())
        self._send.write(b"\0")
        self._send.flush()
        while (answer := self._next()).get("id") != number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, url: str, width: int, *, is_dark: bool = False) -> None:
        """Load a page at a width in pixels, and wait until it is there."""
        self.call("Page.navigate", url="about:blank")  # what the page before still asks for is no trouble of this one
        while self._next().get("method") != "Page.loadEventFired":
            pass
        self.troubles.clear()
        self.requested.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        still = {
            "name": "prefers-reduced-motion",
            "value": "reduce",
        }  # what is clicked on stands where it was a moment ago
        self.call("Emulation.setEmulatedMedia", features=[scheme, still])
        self.call("Page.navigate", url=url)
        self._loaded()

    def reload(self) -> None:
        """Load the page once more, as the button of a browser does."""
        self.troubles.clear()
        self.requested.clear()
        self.call("Page.reload")
        self._loaded()

    def _loaded(self) -> None:
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def tell(self, script: str) -> Any:
        """The value of an expression in the page."""
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def wait(self, script: str, seconds: float = 20.0) -> Any:
        """The value of an expression as soon as it is true."""
        until = time.monotonic() + seconds
        while not (value := self.tell(script)):
            assert time.monotonic() < until, f"never true: {script}; {self.troubles}"
            time.sleep(0.02)
        return value

    def click(self, selector: str, *, times: int = 1, shift: bool = False) -> None:
        """Click, with the mouse, on the middle of the first element that a selector finds."""
        self.wait(f"document.querySelector({json.dumps(selector)}) !== null")
        script = f"""(() => {{
            const element = document.querySelector({json.dumps(selector)});
            element.scrollIntoView({{block: "nearest", inline: "nearest", behavior: "instant"}});
            const box = element.getBoundingClientRect();
            return [box.left + box.width / 2, box.top + box.height / 2];
        }})()"""
        x, y = self.tell(script)
        for kind, count in [
            ("mouseMoved", 0),
            *[(kind, n + 1) for n in range(times) for kind in ("mousePressed", "mouseReleased")],
        ]:
            self.call(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left" if count else "none", clickCount=count,
                modifiers=8 if shift else 0,
            )  # fmt: skip

    def write(self, text: str) -> None:
        """Put text in where the focus is, as a keyboard with any sign does."""
        self.call("Input.insertText", text=text)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other: a sign, or a name such as Enter, Escape, Tab, ArrowDown; `Shift+Tab` with Shift."""
        for key in keys:
            name = key.removeprefix("Shift+")
            text = {"Enter": "\r"}.get(name, name if len(name) == 1 else "")
            code = _CODES.get(name, ord(name.upper()[0]) if len(name) == 1 and name.isalnum() else 0)
            about = {"key": name, "windowsVirtualKeyCode": code, "modifiers": 8 if key != name else 0}
            self.call(
                "Input.dispatchKeyEvent",
                type="keyDown" if text else "rawKeyDown",
                **about,
                **({"text": text} if text else {}),
            )
            self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def screen(self, path: Path) -> None:
        """What is in sight, as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def picture(self, path: Path) -> None:
        """The whole page as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._held:
            assert select.select([self._receive], [], [], SILENCE)[0], f"the browser says nothing; {self.troubles}"
            piece = os.read(self._receive.fileno(), 1 << 20)
            assert piece, "the browser has ended"
            self._held += piece
        told_whole, _, self._held = self._held.partition(b"\0")
        message: dict[str, Any] = json.loads(told_whole)
        method, told = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.troubles.append(str(told["exceptionDetails"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in {"error", "warning"}:
            self.troubles.append(told["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requested.append(told["request"]["url"])
        elif method == "Page.javascriptDialogOpening":
            self.troubles.append(f"a dialog: {told['message']}")
        return message


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser, until the block ends."""
    program = shutil.which(PROGRAM)
    assert program is not None, f"{PROGRAM} is not installed: `apt-get install {PROGRAM}`, or leave -m real_browser out"
    to_it, ours = os.pipe()
    mine, from_it = os.pipe()
    home = tempfile.mkdtemp(prefix="pagemill-browser-")

    def place() -> None:  # it reads commands at 3 and answers at 4
        os.dup2(to_it, 13)
        os.dup2(from_it, 14)
        os.dup2(13, 3)
        os.dup2(14, 4)

    process = subprocess.Popen(
        [program, *_FLAGS, f"--user-data-dir={home}"],
        preexec_fn=place,  # noqa: PLW1509 - nothing of ours runs in it but two calls
        close_fds=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_it)
    os.close(from_it)
    try:
        with os.fdopen(ours, "wb") as send, os.fdopen(mine, "rb") as receive:
            yield Browser(send, receive)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(home, ignore_errors=True)
