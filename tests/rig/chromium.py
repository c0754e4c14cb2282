"""A real Chromium without a window, told what to do over a pipe by its DevTools protocol.

https://chromedevtools.github.io/devtools-protocol/ has the methods. It may reach nothing but what a test has made.
"""

import base64
import json
import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from rig.process import PATIENCE

_COMMAND = [
    *("chromium", "--headless", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE ::1",
]
_TELEPHONE = 500
_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}


class Chromium:
    """A browser, which ends with the `with` block."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="chromium", ignore_cleanup_errors=True)
        theirs, self._to = os.pipe()
        self._from, ours = os.pipe()
        # It reads from 3 and writes to 4. A shell puts the pipes there: a preexec_fn could hit Popen's own.
        words = ["bash", "-c", f'exec "$@" 3<&{theirs} 4>&{ours}', "bash", *_COMMAND]
        self._child = subprocess.Popen(
            [*words, f"--user-data-dir={self._folder.name}", "about:blank"],
            pass_fds=(theirs, ours),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(theirs)
        os.close(ours)
        self._unread = b""
        self._count = 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        os.close(self._to)
        os.close(self._from)
        self._folder.cleanup()

    def ask(self, method: str, session: str | None = None, **parameters: object) -> dict[str, Any]:
        """Have something done, and return what it says."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.hear()
            if answer.get("id") == self._count:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])

    def hear(self) -> dict[str, Any]:
        """Return the next thing that it says; events are kept too."""
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._from], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "Chromium says nothing"
            read = os.read(self._from, 1 << 20)
            assert read, "Chromium is gone"
            self._unread += read
        said, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(said)
        if "method" in message:
            self.events.append(message)
        return message

    def open(self, address: str, *, script: bool = True) -> "Tab":
        """Open an address, and return when it has been loaded."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        tab = Tab(self, self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        tab.ask("Emulation.setScriptExecutionDisabled", value=not script)
        tab.load(address)
        return tab


class Tab:
    """A page that is open."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self._session = session
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """Have something done here."""
        return self._browser.ask(method, self._session, **parameters)

    def events(self, *methods: str) -> list[dict[str, Any]]:
        """Return what has happened here."""
        mine = [event for event in self._browser.events if event.get("sessionId") == self._session]
        return [event["params"] for event in mine if event["method"] in methods]

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """All that the console has, violations of a policy too, all exceptions, and dialogs."""
        self.run("0")  # what has happened before has then been said
        return self.events(
            "Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Page.javascriptDialogOpening"
        )

    def load(self, address: str) -> None:
        """Go to an address."""
        loaded = len(self.events("Page.loadEventFired"))
        went = self.ask("Page.navigate", url=address)
        assert "errorText" not in went, went
        while len(self.events("Page.loadEventFired")) == loaded:
            self._browser.hear()

    def run(self, script: str) -> Any:  # noqa: ANN401  whatever the script gives
        """Return what a script gives."""
        done = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def press(self, key: str, times: int = 1) -> None:
        """Press a key."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        for _ in range(times):
            for kind in ("keyDown", "keyUp"):
                self.ask(
                    "Input.dispatchKeyEvent",
                    type=kind,
                    key=key,
                    windowsVirtualKeyCode=_KEYS.get(key, 0),
                    **({"text": text} if text and kind == "keyDown" else {}),
                )

    def type(self, text: str) -> None:
        """Type a text where the focus is."""
        for letter in text:
            self.press(letter)

    def look(self, *, width: int = 1000, height: int = 800, dark: bool = False) -> None:
        """Have the page so wide, and light or dark."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < _TELEPHONE,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def pdf(self) -> bytes:
        """Print the page."""
        return base64.b64decode(self.ask("Page.printToPDF")["data"])

    def picture(self, path: Path) -> None:
        """Write a picture of what is seen, as the path's end says."""
        form = path.suffix.removeprefix(".")
        taken = self.ask("Page.captureScreenshot", format=form)
        path.write_bytes(base64.b64decode(taken["data"]))
