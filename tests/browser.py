"""A page in headless Chromium: how it looks, what its elements say, and what the browser complains of.

    python tests/browser.py PAGE.html PICTURE.png [WIDTH HEIGHT] [dark]

A window of Chromium has at least 500 px; a narrower page lies in a frame.
"""

import base64
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

from PIL import Image

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
         "--enable-logging=stderr", "--v=0", "--virtual-time-budget=5000")
DARK = "--blink-settings=preferredColorScheme=0"
CONSOLE = re.compile(r":CONSOLE[^]]*\] (.*)")
FRAME = ("<!DOCTYPE html><body style='margin:0'><iframe src='{}' style='border:0;display:block;width:{}px;height:{}px'>"
         "</iframe><pre id=told></pre><script>addEventListener('message', event => {{ "
         "document.getElementById('told').textContent = event.data; }});</script></body>")
ASKED = """<script>(async () => {{
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const asked = async () => {{ {} }};
  const answer = await asked().catch((error) => `failed: ${{error}}`);
  parent.postMessage(btoa(encodeURIComponent(String(answer))), '*');
}})();</script></body>"""


def chromium():
    """Where it is: as CHROME says, or on PATH; None without one."""
    return os.environ.get("CHROME") or shutil.which("chromium") or shutil.which("google-chrome")


def screenshot(page, picture, size=(1280, 800), dark=False):
    """Write what a window of size = (width, height) shows of the page as a PNG."""
    _framed(pathlib.Path(page), size, f"--screenshot={pathlib.Path(picture).absolute()}", *([DARK] if dark else []))
    with Image.open(picture) as shot:
        shot.crop((0, 0, *size)).save(picture)


def told(page, script, size=(1280, 800)):
    """(what the body of an async function, run at the end of the page, returns, as text; [lines of the console])."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder, "page.html")
        copy.write_text(pathlib.Path(page).read_text().replace("</body>", ASKED.format(script)))
        dom, console = _framed(copy, size, "--dump-dom")
    answer = re.search(r'<pre id="told">([^<]+)</pre>', dom)
    if not answer:
        raise AssertionError(f"the script has not come to its end: {console}")
    return urllib.parse.unquote(base64.b64decode(answer[1]).decode()), console


def _framed(page, size, *flags):
    """(standard output, [lines of the console]) of the browser with the page in a frame of this size."""
    with tempfile.TemporaryDirectory() as profile:
        frame = pathlib.Path(profile, "frame.html")
        frame.write_text(FRAME.format(page.absolute().as_uri(), *size))
        words = [chromium(), *FLAGS, f"--user-data-dir={profile}/profile", f"--window-size={size[0]},{size[1] + 150}",
                 *flags, frame.as_uri()]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, CONSOLE.findall(done.stderr)


if __name__ == "__main__":
    width, height = map(int, sys.argv[3:5] or (1280, 800))
    screenshot(sys.argv[1], sys.argv[2], (width, height), "dark" in sys.argv)
