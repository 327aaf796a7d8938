"""How long after the pen's event is the live view painted, and how soon is its first picture?

    python benchmarks/live_latency.py [--model FILE.onnx] [--moves 200] [--rounds 5]

Draws with real mouse events in headless Chromium (the variable CHROMIUM names another), all
panels live, in turns: alone; with nine other clients that draw all the time; and on
`gr.Sketchpad` (`sketchpad.py`). Each server has one core to itself and all its threads; browser
and load have the others. Linux only, for the cores are chosen with `taskset`.

A move's time runs from its pointer event's time stamp to the frame after the canvases were
painted with a reading that contains it: the page's `painted` event, then the next
requestAnimationFrame, then a message posted from there, which arrives when that frame has gone
to the compositor. A screen adds its own delay. A stale result is a painted reading with a
lower sequence number than one painted before.

`gr.Sketchpad` tells nothing while the pen is down: its time runs from the pen's lift.

The first picture's time runs from the navigation, in a browser that has nothing kept, to the
frame with the first reading of the opening example. Assets are what the page loads from the
folder `live/` until that example and the first sweep have begun; bytes of the bodies.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from live_load import eight
from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
OTHERS, RATE = 9, 40  # clients, and drawings a second of each
STROKES = 5  # on gr.Sketchpad, in a round

# From the page's first line on; `painted` is dispatched on the view and does not bubble.
WATCH = """
performance.setResourceTimingBufferSize(2000);
window.afterFrame = (then) => requestAnimationFrame(() => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = then;
  port2.postMessage(null);
});
const live = (on, listener) => window.addEventListener(on, listener, { capture: true });
let waiting, newest;
window.watch = () => {
  waiting = new Map();
  newest = 0;
  window.seen = { times: [], stale: 0, painted: 0 };
};
watch();
live("drawn", ({ detail }) => waiting.set(detail.sequence, detail.time));
live("painted", ({ detail: { sequence } }) => {
  afterFrame(() => (window.first ??= performance.now()));
  if (sequence < newest) seen.stale++;
  newest = Math.max(newest, sequence);
  seen.painted++;
  const covered = [...waiting].filter(([number]) => number <= sequence);
  for (const [number] of covered) waiting.delete(number);
  const { times } = seen;
  afterFrame(() => {
    for (const [, time] of covered) times.push(performance.now() - time);
  });
});
"""
ASSETS = r"""() => performance.getEntriesByType("resource")
  .filter(({ name }) => /^\/live\/[^/]+\.(js|css|json)$/.test(new URL(name).pathname))
  .map(({ encodedBodySize, decodedBodySize }) => [encodedBodySize, decodedBodySize])"""
LIFTS = """() => {
  const answer = document.querySelector(".answer").parentElement;
  window.lifts = { times: [], early: 0 };
  let lifted = null;
  window.addEventListener("pointerdown", () => (lifted = null), { capture: true });
  window.addEventListener("pointerup", (e) => (lifted = e.timeStamp), { capture: true });
  new MutationObserver(() => {
    if (lifted === null) return void lifts.early++;
    const since = lifted;
    afterFrame(() => lifts.times.push(performance.now() - since));
  }).observe(answer, { childList: true, subtree: true, characterData: true });
}"""


@contextmanager
def pinned(core: int, *command: str) -> Iterator[str]:
    """Run a server on one core; gives its URL."""
    command = ("taskset", "-c", str(core), sys.executable, *command)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield re.search(r"http://[^\s/]+", server.stdout.readline()).group()
        finally:
            server.terminate()


@contextmanager
def others(url: str) -> Iterator[dict]:
    """Let the other clients draw; what they measured is in the result afterwards."""
    stream = f"{url.replace('http', 'ws', 1)}/live"
    command = [sys.executable, HERE / "live_load.py", stream]
    command += ["--clients", str(OTHERS), "--rate", str(RATE)]
    measured: dict = {}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as load:
        yield measured
        measured |= json.loads(load.communicate()[0])


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[Page]:
    """A page in a context of its own, which has nothing kept."""
    with browser.new_context(viewport={"width": 1440, "height": 860}) as context:
        context.add_init_script(WATCH)
        page = context.new_page()
        page.goto(url)
        yield page


def stroke(page: Page, box: tuple[float, float, float, float], moves: int) -> None:
    """Draw an eight in a box (left, top, width, height) of the page's pixels."""
    left, top, width, height = box
    places = [eight(i / moves) for i in range(moves + 1)]
    first, *rest = [(left + x * width, top + y * height) for x, y in places]
    page.mouse.move(*first)
    page.mouse.down()
    for place in rest:
        page.mouse.move(*place)


def draw_live(browser: Browser, url: str, moves: int) -> dict:
    """Open the page and draw; times in ms, as the module's docstring says."""
    with opened(browser, url) as page:
        page.wait_for_function("window.first")
        page.wait_for_timeout(2500)  # the opening example ends
        explained = []
        page.on("response", lambda r: explained.append(r) if "/live/explain" in r.url else None)
        first, assets = page.evaluate("window.first"), page.evaluate(ASSETS)
        page.evaluate("watch()")
        stroke(page, tuple(page.locator(".pad-ink").bounding_box().values()), moves)
        page.wait_for_timeout(300)
        page.mouse.up()
        seen = page.evaluate("window.seen")
        return seen | {"explained": len(explained), "first": first, "assets": assets}


def draw_sketchpad(browser: Browser, url: str, moves: int) -> dict:
    """The same moves in several strokes; `early` are answers while the pen was down."""
    with opened(browser, url) as page:
        page.get_by_label("Brush").click()
        page.keyboard.press("Escape")
        box = page.locator("canvas").first.bounding_box()
        page.evaluate(LIFTS)
        side = 0.8 * box["height"]
        left, top = box["x"] + (box["width"] - side) / 2, box["y"] + 0.1 * box["height"]
        for number in range(1, STROKES + 1):
            stroke(page, (left, top, side, side), moves // STROKES)
            page.mouse.up()
            page.wait_for_function("(n) => lifts.times.length >= n", arg=number)
            page.wait_for_timeout(200)
        return page.evaluate("window.lifts")


def row(name: str, rounds: list[dict], *rest: object) -> str:
    """Medians of the rounds, the range of p95 behind its median."""
    cuts = [statistics.quantiles(one["times"], n=100, method="inclusive") for one in rounds]
    p50, p95 = ([cut[part] for cut in cuts] for part in (49, 94))
    figures = f"{statistics.median(p50):.1f} | {statistics.median(p95):.1f}"
    others = " | ".join(map(str, rest))
    return f"| {name} | {figures} ({min(p95):.1f} to {max(p95):.1f}) | {others} |"


def median_of(rounds: list[dict], key: str) -> str:
    return f"{statistics.median(one[key] for one in rounds):.0f}"


def report(alone: list[dict], crowded: list[dict], loads: list[dict], pad: list[dict]) -> None:
    print("| pen's event to painted picture | p50, ms | p95, ms | pictures | explained | stale |")
    print("|---|---|---|---|---|---|")
    crowd = f"live view, {OTHERS} others at {RATE}/s"
    for name, rounds in (("live view, one user", alone), (crowd, crowded)):
        counts = median_of(rounds, "painted"), median_of(rounds, "explained")
        print(row(name, rounds, *counts, sum(one["stale"] for one in rounds)))
    early = sum(one["early"] for one in pad)
    print(row("gr.Sketchpad, from the pen's lift", pad, f"{STROKES}, {early} before", "-", "-"))
    rate, p50, p95 = (
        statistics.median(one[key] for one in loads) for key in ("rate", "p50", "p95")
    )
    print(f"\nthe others: {rate:.0f} answers/s in all, round trip p50 {p50:.1f}, p95 {p95:.1f} ms")
    first = [one["first"] for one in alone]
    print(
        f"first picture: {statistics.median(first):.0f} ms ({min(first):.0f} to {max(first):.0f})"
    )
    sent, plain = (sum(sizes) / 1000 for sizes in zip(*alone[-1]["assets"], strict=True))
    how = "compressed" if sent < plain else "not compressed"
    print(
        f"own assets: {len(alone[-1]['assets'])} files, {sent:.0f} kB sent ({how}; {plain:.0f} kB)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", help="an .onnx file; the released network when not given")
    parser.add_argument("--moves", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    model = ["--model", options.model] if options.model else []
    sketchpad = [str(HERE / "sketchpad.py"), *model[1:]]
    alone, crowded, loads, pad = [], [], [], []
    before = os.getloadavg()[0]
    with (
        pinned(cores[-1], "-m", "serving", "--port", "0", *model) as url,
        pinned(cores[-1], *sketchpad) as pad_url,
    ):
        os.sched_setaffinity(0, cores[:-1])  # of the browser and the load, which are yet to start
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            draw_live(browser, url, 20)  # not counted: the server and the browser warm up
            for _ in range(options.rounds):
                alone.append(draw_live(browser, url, options.moves))
                with others(url) as load:
                    crowded.append(draw_live(browser, url, options.moves))
                loads.append(load)
                pad.append(draw_sketchpad(browser, pad_url, options.moves))
            version = browser.version
            browser.close()
    print(f"{platform.platform()}, {len(cores)} cores, Chromium {version}, headless")
    print(f"load average {before:.1f} before, {os.getloadavg()[0]:.1f} after;", end=" ")
    print(f"{options.rounds} rounds of {options.moves} moves, medians of the rounds\n")
    report(alone, crowded, loads, pad)


if __name__ == "__main__":
    main()
