"""A real Chromium without a window, driven over its DevTools protocol by aiohttp's WebSocket."""

import asyncio
import base64
import json
import shutil
import subprocess
import time
from pathlib import Path

from aiohttp import ClientSession

DEADLINE_S = 60.0
"""Within this everything happens even on a loaded machine with WebGL in software; tests return as soon as it has."""
NAP_S = 0.05
NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions"),
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),  # WebGL without a GPU
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
    *("--remote-debugging-port=0",),
)


def chromium():
    """Return the program, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def until(condition, what):
    """Return the first true value of the condition; fail with ``what`` was waited for."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not (value := condition()):
        assert time.monotonic() < deadline_s, f"waited {DEADLINE_S} s for {what}"
        time.sleep(NAP_S)
    return value


class Browser:
    """A Chromium with a profile of its own."""

    def __init__(self, folder, *options):
        self._loop = asyncio.new_event_loop()
        self._log = (folder / "chromium.log").open("wb")
        command = [chromium(), *OPTIONS, *options, f"--user-data-dir={folder}", "about:blank"]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        port_file = folder / "DevToolsActivePort"
        until(lambda: port_file.exists() and port_file.read_text().count("\n"), "Chromium's DevTools")
        port, path = port_file.read_text().split("\n")[:2]
        self._answers, self._pages, self._number = {}, {}, 0
        self._run(self._connect(f"ws://127.0.0.1:{port}{path}"))

    def page(self, url, size_wh=(1280, 800), scheme="light", phone=False):
        """Open a page, without waiting for it."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session, target)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.show_as(size_wh, scheme, phone)
        page.call("Page.navigate", url=url)
        return page

    def call(self, method, session=None, **parameters):
        return self._run(self._call(method, session, parameters))

    def close(self):
        self._run(self._disconnect())
        self._loop.close()
        self._process.terminate()
        self._process.wait(10)
        self._log.close()

    def _run(self, work):
        return self._loop.run_until_complete(asyncio.wait_for(work, DEADLINE_S))

    async def _connect(self, url):
        self._client = ClientSession()
        self._socket = await self._client.ws_connect(url, max_msg_size=0)

    async def _disconnect(self):
        await self._socket.close()
        await self._client.close()

    async def _call(self, method, session, parameters):
        self._number += 1
        number = self._number
        call = {"id": number, "method": method, "params": parameters}
        await self._socket.send_json(call | ({"sessionId": session} if session else {}))
        while True:
            message = json.loads((await self._socket.receive()).data)
            if message.get("id") == number:
                assert "error" not in message, (method, message)
                return message["result"]
            if message.get("sessionId") in self._pages:
                self._pages[message["sessionId"]].note(message["method"], message["params"])


class Page:
    """One tab."""

    def __init__(self, browser, session, target):
        self._browser = browser
        self._session = session
        self._target = target
        self.errors = []
        """What the console shows in red, and exceptions that nobody caught."""
        self.urls = []
        """What the page asked for."""

    def call(self, method, **parameters):
        return self._browser.call(method, self._session, **parameters)

    def note(self, method, event):
        if method == "Runtime.exceptionThrown":
            self.errors.append(event["exceptionDetails"].get("exception", event["exceptionDetails"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] == "error":
            self.errors.append(event["entry"])
        elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "assert"):
            self.errors.append(event["args"])
        elif method == "Network.requestWillBeSent":
            self.urls.append(event["request"]["url"])

    def run(self, script):
        """Return the value of an expression, awaited."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def until(self, script, what):
        """Return the first true value of an expression."""
        return until(lambda: self.run(script), what)

    def click(self, selector):
        """Click the middle of an element as a mouse does."""
        place = f"document.querySelector({json.dumps(selector)})"
        self.run(f"{place}.scrollIntoView({{block: 'center'}})")
        box = self.run(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({place}.getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def drag(self, begin_xy, end_xy):
        """Press, move and let go."""
        (x, y), (to_x, to_y) = begin_xy, end_xy
        mouse = {"button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, **mouse)
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=(x + to_x) / 2, y=(y + to_y) / 2, buttons=1, **mouse)
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=to_x, y=to_y, buttons=1, **mouse)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=to_x, y=to_y, **mouse)

    def show_as(self, size_wh, scheme="light", phone=False):
        """Take the size of a window or a phone, light or dark."""
        width, height = size_wh
        scale = 2 if phone else 1
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path):
        """Write a PNG of what the page looks like."""
        shot = self.call("Page.captureScreenshot", format="png")
        Path(path).write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        self._browser.call("Target.closeTarget", targetId=self._target)
