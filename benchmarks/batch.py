"""How near does `serving.batch` come to what decoding and network alone allow?

python benchmarks/batch.py mnist.npz

Each kind of input is read by the command, with as many processes as cores, and start excluded:
a run over few images is subtracted. Beside it stands the bound of the same round: cores divided by
the seconds that decoding and the network take for an image, in batches of 64, in one process for
each core at once.
"""

import argparse
import io
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from PIL import Image

from model.cards import RELEASE
from model.predictor import DEFAULT, open_session
from model.signature import IMAGES, PROBABILITIES, SCORE

ROOT = Path(__file__).resolve().parent.parent
BATCH = 64
SECONDS = 3  # of a bound
FEW = 4 * BATCH


def png(image: np.ndarray, side: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR).save(file, "PNG")
    return file.getvalue()


def bound(pictures: list[bytes | np.ndarray]) -> float:
    """Images a second of one process that decodes pictures, if they are files, and infers."""
    session = open_session(RELEASE / f"{DEFAULT}.onnx")
    blank = np.zeros((28, 28), np.uint8)
    done, start = 0, time.perf_counter()
    while time.perf_counter() < start + SECONDS:
        images = []
        for picture in pictures:
            if isinstance(picture, bytes):
                np.asarray(Image.open(io.BytesIO(picture)))
            images.append(blank if isinstance(picture, bytes) else picture)
        session.run([PROBABILITIES, SCORE], {IMAGES: np.stack(images).astype(np.float32)})
        done += len(images)
    return done / (time.perf_counter() - start)


def seconds(path: Path, cores: int, *flags: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "serving.batch", str(path), *flags]
        command += ["--output", f"{folder}/out.csv", "--processes", str(cores)]
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--counts", type=int, nargs=3, default=[200_000, 20_000, 5_000])
    arguments = parser.parse_args()
    digits = np.load(arguments.data)["x_train"]
    cores = len(os.sched_getaffinity(0))
    sides = (None, 28, 280)
    rates: dict[int | None, list[tuple[float, float]]] = {side: [] for side in sides}
    with (
        tempfile.TemporaryDirectory() as top,
        multiprocessing.get_context("spawn").Pool(cores) as pool,
    ):
        for side, count in zip(sides, arguments.counts, strict=True):
            for name, many in (("few", FEW), ("many", count)):
                path = Path(top, f"{name}-{side}")
                if side is None:
                    np.savez(path.with_suffix(".npz"), images=digits[np.arange(many) % len(digits)])
                    continue
                path.mkdir()
                for i in range(many):
                    (path / f"{i:06d}.png").write_bytes(png(digits[i % len(digits)], side))
        for _ in range(arguments.rounds):
            for side, count in zip(sides, arguments.counts, strict=True):
                pictures = [image if side is None else png(image, side) for image in digits[:BATCH]]
                allowed = sum(pool.map(bound, [pictures] * cores))
                ending, flags = (".npz", ["--raw"]) if side is None else ("", [])
                few, many = (
                    seconds(Path(top, f"{name}-{side}{ending}"), cores, *flags)
                    for name in ("few", "many")
                )
                rates[side].append(((count - FEW) / (many - few), allowed))
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f}, medians of {arguments.rounds} rounds\n")
    print("| input | images/s | bound, images/s | share |\n|---|---|---|---|")
    for side, count in zip(sides, arguments.counts, strict=True):
        name = "raw images, .npz" if side is None else f"PNG files of {side} x {side}"
        ours, allowed = (statistics.median(column) for column in zip(*rates[side], strict=True))
        share = statistics.median(rate / most for rate, most in rates[side])
        print(f"| {count:,} {name} | {ours:,.0f} | {allowed:,.0f} | {share:.0%} |")


if __name__ == "__main__":
    main()
