"""How long until the page can be drawn on, and until its first answer, over a slow link?

python benchmarks/page_load.py

Chromium (`CHROMIUM`, else /usr/bin/chromium) opens the page of a server of this script, over a link
with 400 ms latency and 50 kB/s, as its developer tools emulate it, then over loopback: with an
empty cache, and once more. Requests and kB are those until the answer.
"""

import os
import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.browser.conftest import Server

ROUNDS = 3
SLOW = {"offline": False, "latency": 400} | dict.fromkeys(
    ("downloadThroughput", "uploadThroughput"), 50 * 1024
)
PAD = """getComputedStyle(document.querySelector(".scanline")).visibility === "visible"
  && document.querySelector(".pad-ink").width > 300"""
ANSWER = "/[0-9]/.test(document.querySelector('.digit').textContent)"


def visits(browser: Browser, url: str, link: dict | None) -> list[tuple[float, float, int, float]]:
    """Of two visits: seconds to the pad, to the answer, requests and kB until then."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    found = []
    for _ in range(2):
        page = context.new_page()
        devtools = context.new_cdp_session(page)
        devtools.send("Network.enable")
        if link:
            devtools.send("Network.emulateNetworkConditions", link)
        sizes: list[float] = []
        requests: list[str] = []
        devtools.on(
            "Network.loadingFinished", lambda e, into=sizes: into.append(e["encodedDataLength"])
        )
        devtools.on(
            "Network.requestWillBeSent", lambda e, into=requests: into.append(e["requestId"])
        )
        start = time.perf_counter()
        page.goto(url, wait_until="commit")
        page.wait_for_selector(".scanline", state="attached")
        page.wait_for_function(PAD, polling=20)
        pad = time.perf_counter() - start
        page.wait_for_function(ANSWER, polling=20)
        found.append((pad, time.perf_counter() - start, len(requests), sum(sizes) / 1000))
        page.wait_for_timeout(2000)  # what comes later is for the next visit
        page.close()
    context.close()
    return found


def main() -> None:
    server = Server()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            )
            print(
                "| link | visit | pad, s | answer, s | requests | kB |\n|---|---|---|---|---|---|"
            )
            for name, link in (("400 ms, 50 kB/s", SLOW), ("loopback", None)):
                rounds = [visits(browser, server.url, link) for _ in range(ROUNDS)]
                for visit in (0, 1):
                    columns = zip(*(each[visit] for each in rounds), strict=True)
                    pad, answer, requests, size = map(statistics.median, columns)
                    numbers = f"{pad:.2f} | {answer:.2f} | {requests:.0f} | {size:.0f}"
                    print(f"| {name} | {('first', 'second')[visit]} | {numbers} |")
            browser.close()
    finally:
        server.kill()
    print(f"\nload {os.getloadavg()[0]:.1f}, medians of {ROUNDS} rounds")


if __name__ == "__main__":
    main()
