"""A real headless Chromium, driven over a pipe by its DevTools protocol: no driver, no package, no port."""

import base64
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

SKIP = "needs Chromium; on Debian and Ubuntu: apt-get install chromium"


class Browser:
    """One tab: what it said to its console and what it asked the network for."""

    def __init__(self, read: int, write: int) -> None:
        self._in, self._out = os.fdopen(read, "rb"), os.fdopen(write, "wb")
        self._number, self._session = 0, ""
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._loaded = False
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> Any:
        """The answer to a command."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        self._out.write(json.dumps(message | ({"sessionId": self._session} if self._session else {})).encode() + b"\0")
        self._out.flush()
        while (answer := self._next()).get("id") != self._number:
            pass
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def open(self, path: Path) -> None:
        """Opens a file and waits until it is loaded."""
        self._loaded = False
        self.send("Page.navigate", url=path.as_uri())
        while not self._loaded:
            self._next()

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression in the page."""
        result = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def settle(self) -> None:
        """Waits for two frames: scrolling is told to the page in the one after it."""
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def press(self, key: str) -> None:
        """A key, by its name, pressed and let go."""
        for kind in ("rawKeyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=CODES[key])

    def point(self, x: float, y: float) -> None:
        """Moves the mouse there, in pixels of the window."""
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def media(self, *, dark: bool = False, paper: bool = False) -> None:
        """What the reader's system prefers, and whether this is on paper."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.send("Emulation.setEmulatedMedia", media="print" if paper else "screen", features=features)

    def picture(self, path: Path, width: int = 1100, height: int | None = None) -> None:
        """The whole page as a PNG, or its first `height` pixels."""
        size = {"width": width, "height": height or 900, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        tall = height or self.run("document.documentElement.scrollHeight")
        self.send("Emulation.setDeviceMetricsOverride", **{**size, "height": tall})
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))

    def pdf(self, path: Path) -> None:
        """The page as it is printed."""
        path.write_bytes(base64.b64decode(self.send("Page.printToPDF", printBackground=False)["data"]))

    def close(self) -> None:
        """Closes the pipes."""
        self._in.close()
        self._out.close()

    def _next(self) -> dict[str, Any]:
        text = bytearray()
        while (sign := self._in.read(1)) != b"\0":
            assert sign, "Chromium has gone"
            text += sign
        message: dict[str, Any] = json.loads(text)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, event: str, said: dict[str, Any]) -> None:
        match event:
            case "Page.loadEventFired":
                self._loaded = True
            case "Network.requestWillBeSent":
                self.requests.append(said["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(said["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(said))


CODES = {"Tab": 9, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39, "Home": 36}


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A Chromium of its own profile, which ends with the block."""
    assert PROGRAM is not None
    to_it, ours = os.pipe()
    theirs, from_it = os.pipe()
    command = [PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe"]
    command += [f"--user-data-dir={profile}", "--no-first-run", "--disable-background-networking"]

    def hand_over() -> None:
        # Chromium reads commands from 3 and answers on 4; copies first, for the pipes may have these numbers.
        copies = [fcntl.fcntl(end, fcntl.F_DUPFD, 5) for end in (to_it, from_it)]
        os.dup2(copies[0], 3)
        os.dup2(copies[1], 4)

    process = subprocess.Popen(
        command, preexec_fn=hand_over, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(to_it)
    os.close(from_it)
    tab = None
    try:
        tab = Browser(theirs, ours)
        yield tab
    finally:
        process.kill()
        process.wait()
        if tab is not None:
            tab.close()
