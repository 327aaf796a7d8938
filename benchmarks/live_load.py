"""Clients that draw all the time, until the standard input ends.

    python benchmarks/live_load.py ws://127.0.0.1:7860/live [--clients 9] [--rate 40]

Each sends its growing drawing by the clock, whether or not the last answer is back, which is
more than a page does: that keeps one drawing in flight. Prints as JSON the answers a second of
all clients together, and the 50th and 95th percentile in ms of their round trip.
"""

import argparse
import asyncio
import json
import math
import statistics
import struct
import sys
import time

from websockets.asyncio.client import ClientConnection, connect

POINTS = 200  # of a drawing; then the pad is cleared


def eight(part: float) -> tuple[float, float]:
    """Point of a closed eight, in 0..1 of the pad; `part` 0..1 goes once round it."""
    x = 0.5 + 0.25 * math.sin(4 * math.pi * part)
    return x, 0.5 - 0.35 * math.cos(2 * math.pi * part)


def message(sequence: int) -> bytes:
    """The drawing with this number, one stroke; the layout is `serving.page.stream`'s."""
    points = [eight(i / POINTS) for i in range(sequence % POINTS + 1)]
    numbers = [number for point in points for number in point]
    return struct.pack(f"<III{len(numbers)}f", sequence, 1, len(points), *numbers)


async def draw(socket: ClientConnection, rate: float, delay: float, sent: dict) -> None:
    await asyncio.sleep(delay)  # the clients do not all send at the same moment
    start = time.perf_counter()
    for sequence in range(2**32):
        await asyncio.sleep(start + sequence / rate - time.perf_counter())
        sent[sequence] = time.perf_counter()
        await socket.send(message(sequence))


async def client(url: str, rate: float, delay: float, times: list[float]) -> None:
    sent: dict[int, float] = {}
    async with connect(url, compression=None) as socket:
        drawing = asyncio.create_task(draw(socket, rate, delay, sent))
        try:
            async for answer in socket:
                now = time.perf_counter()
                [length] = struct.unpack_from("<I", answer)
                sequence = json.loads(answer[4 : 4 + length])["sequence"]
                times.append(1000 * (now - sent.pop(sequence)))
        finally:
            drawing.cancel()


async def run(url: str, clients: int, rate: float) -> dict[str, float]:
    times: list[float] = []
    tasks = [
        asyncio.create_task(client(url, rate, i / clients / rate, times)) for i in range(clients)
    ]
    end = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    start = time.perf_counter()
    done, _ = await asyncio.wait([end, *tasks], return_when=asyncio.FIRST_COMPLETED)
    seconds = time.perf_counter() - start
    for task in done - {end}:
        task.result()  # a client has failed: say why
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return {"rate": len(times) / seconds, "p50": cuts[49], "p95": cuts[94]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="of the server's WebSocket")
    parser.add_argument("--clients", type=int, default=9)
    parser.add_argument("--rate", type=float, default=40, help="drawings a second of each")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(run(options.url, options.clients, options.rate))))


if __name__ == "__main__":
    main()
