"""How long after a control of the Lab is moved are its new numbers painted?

    python benchmarks/lab_latency.py [--presses 60]

Presses an arrow key on each panel's first control, in headless Chromium (the variable CHROMIUM
names another). A press's time runs from the key event's time stamp to the frame after the
command below the panel has changed: its request, the server's computation and the drawing are
in it.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PANELS = ("graph", "paths", "inputs", "clipping", "bidirectional", "saturation", "truncation")
LONG = {"graph": "&lab-x=0.5,-1,0.7,0.3,-0.4,0.9", "paths": "&lab-x=0.5,-1,0.7,0.3,-0.4,0.9"}
WATCH = """() => {
  window.times = [];
  let pressed = null;
  window.addEventListener("keydown", (event) => (pressed = event.timeStamp), { capture: true });
  new MutationObserver(() => {
    if (pressed === null) return;
    const since = pressed;
    pressed = null;
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => times.push(performance.now() - since);
      port2.postMessage(null);
    });
  }).observe(document.querySelector(".lab-command"), { childList: true, subtree: true });
}"""


@contextmanager
def served() -> Iterator[str]:
    command = (sys.executable, "-m", "serving", "--port", "0", "--model", "model/release")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield re.search(r"http://[^\s/]+", server.stdout.readline()).group()
        finally:
            server.terminate()


def measured(page: Page, url: str, panel: str, presses: int) -> list[float]:
    """Times in ms."""
    page.goto("about:blank")
    page.goto(f"{url}/#lab={panel}{LONG.get(panel, '')}")
    page.locator(".lab-figure > *").first.wait_for()
    page.wait_for_timeout(1500)
    page.evaluate(WATCH)
    page.locator(".lab-body > .lab-controls [data-key^=control]").first.focus()
    for number in range(1, presses + 1):
        page.keyboard.press("ArrowUp" if number % 2 else "ArrowDown")
        page.wait_for_function("(n) => times.length >= n", arg=number)
    return page.evaluate("times")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--presses", type=int, default=60)
    args = parser.parse_args()
    print("| panel | p50, ms | p95, ms |")
    print("|---|---|---|")
    with served() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        for panel in PANELS:
            times = measured(page, url, panel, args.presses)
            cuts = statistics.quantiles(times, n=100, method="inclusive")
            print(f"| {panel} | {cuts[49]:.1f} | {cuts[94]:.1f} |", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
