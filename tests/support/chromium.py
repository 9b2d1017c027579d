"""Headless Chromium over its DevTools protocol, for pages that people use.

The program is started by the first test that needs it and ends with this process. Every window has cookies and a cache
of its own, which end with it.

with Chromium() as browser:
    browser.go(page.as_uri())
    assert browser.run("document.title") == "Report"
    browser.picture(tmp_path / "page.png")
    assert browser.trouble == []
"""

from __future__ import annotations

import asyncio
import atexit
import base64
import functools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
_WAIT_S = 60
_KEY_CODES = {"Enter": 13, "Tab": 9, "Escape": 27, "Backspace": 8}
_KEY_CODES |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
_CONTROL, _SHIFT = 2, 8


def chromium_path() -> str:
    """The browser, or a skip that says how to get one."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on this machine: install chromium or google-chrome to look at the pages")
    return found


class _Program:
    """Chromium itself, without a window."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="chromium-"))
        command = [chromium_path(), *_FLAGS, f"--user-data-dir={self._folder}", "about:blank"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        atexit.register(self.end)
        end = time.monotonic() + _WAIT_S
        port_file = self._folder / "DevToolsActivePort"
        while not port_file.is_file() or len(port_file.read_text().split()) < 2:
            if not self.is_alive or time.monotonic() > end:
                raise AssertionError(f"Chromium did not start (exit status {self._process.poll()})")
            time.sleep(0.05)
        port, path = port_file.read_text().split()
        self.address = f"ws://127.0.0.1:{port}{path}"

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


@functools.cache
def _started() -> _Program:
    return _Program()


def _address() -> str:
    """Where the program is spoken with; one that has crashed is started again."""
    if not _started().is_alive:
        _started.cache_clear()
    return _started().address


class Chromium:
    """One window. What goes wrong in its pages is in ``trouble``, addresses that left the machine in ``left``."""

    def __init__(self, width: int = 1280, height: int = 800) -> None:
        self.trouble: list[str] = []
        self.requests: list[str] = []
        self._size = (width, height)
        self._number = 0
        self._page: dict[str, str] = {}

    @property
    def left(self) -> list[str]:
        """Requests to other places than the disk, the page itself and this machine."""
        own = ("file:", "data:", "blob:", "about:", "http://127.0.0.1", "http://localhost", "chrome:")
        return [url for url in self.requests if not url.startswith(own)]

    def __enter__(self) -> Chromium:
        address = _address()
        self._loop = asyncio.new_event_loop()
        try:
            self._loop.run_until_complete(self._connect(address))
            for domain in ("Page", "Runtime", "Network", "Log"):
                self.send(f"{domain}.enable")
            self.resize(*self._size)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol and its result."""
        return self._loop.run_until_complete(asyncio.wait_for(self._send(method, parameters), _WAIT_S))

    def go(self, url: str) -> None:
        """Open an address and wait until it has loaded."""
        self.send("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited."""
        output = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in output:
            raise AssertionError(f"{expression}: {output['exceptionDetails'].get('exception', {}).get('description')}")
        return output["result"].get("value")

    def wait(self, expression: str, seconds: float = _WAIT_S) -> None:
        """Until the expression is true; it may fail while a page is changing."""
        end = time.monotonic() + seconds
        asked = f"(async () => Boolean(await ({expression})))()"
        while True:
            output = self.send("Runtime.evaluate", expression=asked, returnByValue=True, awaitPromise=True)
            if output.get("result", {}).get("value") is True:
                return
            if time.monotonic() > end:
                raise AssertionError(f"not true after {seconds} s: {expression}; {self.trouble[-3:]}")
            self._loop.run_until_complete(asyncio.sleep(0.05))

    def press(self, key: str, control: bool = False, shift: bool = False) -> None:
        """One key, as a person strikes it: a letter, or a name such as ``Enter``."""
        code = _KEY_CODES.get(key) or ord(key.upper())
        about = {
            "key": key,
            "code": key if len(key) > 1 else f"Digit{key}" if key.isdigit() else f"Key{key.upper()}",
            "windowsVirtualKeyCode": code,
            "modifiers": _CONTROL * control + _SHIFT * shift,
        }
        text = {} if control else {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **about)

    def write(self, text: str) -> None:
        """Text into what has the focus, as an input method does."""
        self.send("Input.insertText", text=text)

    def resize(self, width: int, height: int, mobile: bool = False) -> None:
        """The window's size in CSS pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.send("Emulation.setDeviceMetricsOverride", **metrics)

    def theme(self, name: str) -> None:
        """``light`` or ``dark``."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def picture(self, path: Path, whole: bool = False) -> Path:
        """A screenshot as PNG: of the window, or of the whole page."""
        output = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(output["data"]))
        return path

    async def _connect(self, address: str) -> None:
        self._session = aiohttp.ClientSession()
        self._socket = await self._session.ws_connect(address, max_msg_size=0)
        context = await self._send("Target.createBrowserContext", {"disposeOnDetach": True})
        page = await self._send("Target.createTarget", {"url": "about:blank", **context})
        attached = await self._send("Target.attachToTarget", {**page, "flatten": True})
        self._page = {"sessionId": attached["sessionId"]}

    async def _send(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        number = self._number
        await self._socket.send_str(json.dumps({"id": number, "method": method, "params": parameters, **self._page}))
        while True:
            output = json.loads(await self._socket.receive_str())
            if output.get("id") == number:
                if "error" in output:
                    raise AssertionError(f"{method}: {output['error']['message']}")
                return dict(output["result"])
            self._note(output)

    def _note(self, event: dict[str, Any]) -> None:
        about = event.get("params", {})
        notes: dict[str, Callable[[], None]] = {
            "Runtime.exceptionThrown": lambda: self.trouble.append(json.dumps(about["exceptionDetails"])[:500]),
            "Network.requestWillBeSent": lambda: self.requests.append(about["request"]["url"]),
        }
        if event.get("method") in notes:
            notes[event["method"]]()
        if event.get("method") == "Runtime.consoleAPICalled" and about["type"] == "error":
            self.trouble.append(json.dumps(about["args"])[:500])
        if event.get("method") == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.trouble.append(str(about["entry"]["text"]))

    def _end(self) -> None:
        async def close() -> None:
            if hasattr(self, "_socket"):
                await self._socket.close()
            if hasattr(self, "_session"):
                await self._session.close()

        self._loop.run_until_complete(close())
        self._loop.close()
