"""How long after the pen's event is the live view painted?

    python benchmarks/live_latency.py [--model FILE.onnx] [--moves 100] [--runs 5]

Starts the server, opens the page in headless Chromium and draws with real mouse events,
all panels live. A move's time runs from its pointer event's time stamp to the frame after
the canvases were painted with a reading that contains it: the page's `painted` event, then
the next requestAnimationFrame, then a message posted from there, which arrives when that
frame has gone to the compositor. A screen adds its own delay.

A stale result is a painted reading with a lower sequence number than one painted before.
"""

import argparse
import math
import os
import platform
import re
import statistics
import subprocess
import sys
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]

LISTEN = """() => {
  const root = document.querySelector(".scanline");
  const waiting = new Map();
  const seen = window.seen = { times: [], reply: [], stale: 0, painted: 0 };
  let newest = 0;
  root.addEventListener("drawn", ({ detail }) => waiting.set(detail.sequence, detail.time));
  root.addEventListener("painted", ({ detail: { sequence } }) => {
    if (sequence < newest) seen.stale++;
    newest = Math.max(newest, sequence);
    seen.painted++;
    const covered = [...waiting].filter(([number]) => number <= sequence);
    for (const [number, time] of covered) {
      waiting.delete(number);
      seen.reply.push(performance.now() - time);
    }
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        for (const [, time] of covered) seen.times.push(performance.now() - time);
      };
      port2.postMessage(null);
    });
  });
}"""


@contextmanager
def serving(model: str | None):
    """Run the server on a free port; gives its URL."""
    command = [sys.executable, "-m", "serving", "--port", "0"]
    command += ["--model", model] if model else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield re.search(r"http://\S+", server.stdout.readline()).group()
        finally:
            server.terminate()


def draw(page: Page, moves: int) -> dict:
    """Draw an eight that goes round and round; returns what `LISTEN` collected."""
    page.evaluate(LISTEN)
    box = page.locator(".pad-ink").bounding_box()
    place = [
        (
            box["x"] + box["width"] * (0.5 + 0.25 * math.sin(4 * math.pi * i / moves)),
            box["y"] + box["height"] * (0.5 - 0.35 * math.cos(2 * math.pi * i / moves)),
        )
        for i in range(moves + 1)
    ]
    page.mouse.move(*place[0])
    page.mouse.down()
    for x, y in place[1:]:
        page.mouse.move(x, y)
    page.wait_for_timeout(300)
    page.mouse.up()
    return page.evaluate("window.seen")


def percentile(values: list[float], part: float) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[round(100 * part) - 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", help="an .onnx file; the released network when not given")
    parser.add_argument("--moves", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()

    runs = []
    with serving(options.model) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for _ in range(options.runs):
            page = browser.new_page(viewport={"width": 1440, "height": 860})
            page.goto(url)
            page.locator(".digit:not(:empty)").wait_for()
            page.wait_for_timeout(2500)  # the opening example ends
            runs.append(draw(page, options.moves))
            page.close()
        version = browser.version
        browser.close()

    print(f"{platform.platform()}, {os.cpu_count()} cores, Chromium {version}, headless")
    print(f"{options.moves} moves a run, {options.runs} runs, server and browser on one machine\n")
    print("| run | moves | readings painted | reply p50 / p95 ms | painted p50 / p95 ms | stale |")
    print("|---|---|---|---|---|---|")
    for number, run in enumerate(runs, start=1):
        reply, times = (
            f"{percentile(run[key], 0.5):.1f} / {percentile(run[key], 0.95):.1f}"
            for key in ("reply", "times")
        )
        print(
            f"| {number} | {len(run['times'])} | {run['painted']} | {reply} | {times} "
            f"| {run['stale']} |"
        )
    median = [statistics.median(percentile(run["times"], p) for run in runs) for p in (0.5, 0.95)]
    print(f"\nmedian of the runs, painted: p50 {median[0]:.1f} ms, p95 {median[1]:.1f} ms")


if __name__ == "__main__":
    main()
