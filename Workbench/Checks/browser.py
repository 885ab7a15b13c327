"""Headless Chromium, driven through its own protocol over a pipe (chromedevtools.github.io/devtools-protocol). Needs nothing but Chromium."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time


class Browser:
    def __init__(self, width=1400, height=1000, dark=False):
        self.folder = tempfile.mkdtemp(prefix="orrery-browser-")
        read, self.writer = os.pipe()
        self.reader, write = os.pipe()
        flags = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --remote-debugging-pipe"
        self.process = subprocess.Popen(
            ["bash", "-c", f"exec chromium {flags} --user-data-dir={self.folder} about:blank 3<&{read} 4>&{write}"],
            pass_fds=(read, write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(read)
        os.close(write)
        self.number, self.buffer, self.session, self.faults = 0, b"", None, []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.send("Page.enable")
        self.send("Runtime.enable")
        self.send("Log.enable")
        self.look(width, height, dark)

    def look(self, width, height, dark):
        self.width, self.height = width, height
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def message(self, timeout):
        import select
        end = time.time() + timeout
        while b"\0" not in self.buffer:
            if not select.select([self.reader], [], [], max(0, end - time.time()))[0]:
                raise TimeoutError("the browser does not answer")
            part = os.read(self.reader, 1 << 20)
            if not part:
                raise EOFError("the browser has ended")
            self.buffer += part
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def send(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.writer, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.message(60)
            if answer.get("method") == "Runtime.exceptionThrown":
                details = answer["params"]["exceptionDetails"]
                self.faults.append(details.get("exception", {}).get("description", details["text"]))
            if answer.get("method") == "Log.entryAdded" and answer["params"]["entry"]["level"] == "error":
                entry = answer["params"]["entry"]
                # Scenarios that are at fault are part of what is tried.
                if "422" not in entry["text"]:
                    self.faults.append(entry["text"] + " " + entry.get("url", ""))
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def run(self, script):
        """The value of an expression in the page; promises are waited for."""
        result = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"].get("exception", {}).get("description", "exception"))
        return result["result"].get("value")

    def open(self, address):
        self.run("window.isFormer = true")
        self.send("Page.navigate", url=address)
        self.until("!window.isFormer && document.documentElement?.dataset.ready === 'yes' && document.documentElement.dataset.views > 0")

    def until(self, condition, timeout=60):
        end = time.time() + timeout
        while not self.run(condition):
            if time.time() > end:
                raise TimeoutError(condition)
            time.sleep(0.05)

    def settled(self, action):
        """Does something that asks for a view, and waits for it; milliseconds that the answer took."""
        before = self.run("Number(document.documentElement.dataset.views)")
        self.run(action)
        self.until(f"Number(document.documentElement.dataset.views) > {before}")
        return self.run("Number(document.documentElement.dataset.took)")

    def key(self, name, code=None, text=None, modifiers=0):
        for kind in ("keyDown", "keyUp"):
            extra = {"text": text} if text and kind == "keyDown" else {}
            self.send("Input.dispatchKeyEvent", type=kind, key=name, code=code or name, modifiers=modifiers,
                      windowsVirtualKeyCode={"Tab": 9, "Enter": 13, "ArrowUp": 38, "ArrowDown": 40, "ArrowRight": 39}.get(name, 0), **extra)

    def screenshot(self, path, whole=True):
        height = self.run("document.documentElement.scrollHeight") if whole else self.height
        self.send("Emulation.setDeviceMetricsOverride", width=self.width, height=min(height, 8000), deviceScaleFactor=1, mobile=self.width < 500)
        time.sleep(0.3)
        data = self.send("Page.captureScreenshot", format="png")["data"]
        self.send("Emulation.setDeviceMetricsOverride", width=self.width, height=self.height, deviceScaleFactor=1, mobile=self.width < 500)
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        try:
            self.session = None
            self.send("Browser.close")
        except (TimeoutError, EOFError, OSError, RuntimeError):
            self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
