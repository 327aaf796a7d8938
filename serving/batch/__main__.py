"""Digits by the thousand: ``python -m serving.batch INPUT --output predictions.csv``.

INPUT is a folder of pictures (with the folders in it), one picture, or an .npz with the array
``images``, uint8 (n, height, width). The table has a row for each image, in the order of the
input. A picture that cannot be read has its ``error`` and spoils no other.

Exit codes: 0; 1 if a row has an error; 2 if nothing could be done, with one line on why; 130
if stopped, by Ctrl-C or SIGTERM.
"""

import os

# Read by NumPy at import, here and in the workers: each uses one core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path

from tqdm import tqdm

from model.files import PART, atomic
from model.predictor import ModelError, find
from serving.batch.inputs import Input, InputError, Item, open_input
from serving.batch.table import COLUMNS, Reader, Rows, start_worker, work
from serving.settings import Parser, Settings, paths, variable_of, whole

STOPPED = 130
_OTHER_TABLES = (".parquet", ".json", ".jsonl", ".xlsx", ".npz", ".feather")


class BatchError(Exception):
    """The table cannot be made; the message says what to do."""


def _in_processes(
    chunks: Iterable[list[Item]], processes: int, model: Path, raw: bool
) -> Iterator[Rows]:
    """Map `Reader(model, raw).read` over the chunks, in order, few of them in memory at a time."""
    # Spawned, for a fork of a process with ONNX Runtime's threads may hang.
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, spawn, start_worker, (model, raw))
    waiting: deque[Future[Rows]] = deque()
    try:
        for chunk in chunks:
            waiting.append(_submit(pool, chunk))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise BatchError(
            "a worker ended unexpectedly, perhaps for lack of memory: take fewer --processes"
        ) from error
    except BaseException:  # stopped: what the workers still read is of no use
        for worker in multiprocessing.active_children():
            worker.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, chunk: list[Item]) -> Future[Rows]:
    # This may start a worker, which inherits the mask: Ctrl-C is for this process alone.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(work, chunk)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def write_table(
    images: Input, output: Path, *, model: Path, raw: bool, processes: int, batch: int
) -> Rows:
    """Read all images and write `output`, which appears only when it is whole.

    Args:
        images: see `serving.batch.inputs`.
        output: the CSV file; until the end its name has ``.part`` behind it.
        model: the ``.onnx`` file.
        raw: see `Reader`.
        processes: workers; with 1 the work is done in this process.
        batch: images in one inference.

    Returns:
        The table's counts, with an empty text.

    Raises:
        BatchError: the file cannot be written, or a worker died.
        InputError: see `Input.chunks`.
        ModelError: see `Predictor`.
    """
    reader = Reader(model, raw)  # here, too, so that a bad model is told in its own words
    chunks = images.chunks(batch)
    if processes > 1 and images.count > batch:
        pieces = _in_processes(chunks, min(processes, -(-images.count // batch)), model, raw)
    else:
        pieces = (reader.read(chunk) for chunk in chunks)
    done = rejected = errors = 0
    try:
        if output.is_dir():
            raise BatchError(f"cannot write {output}: it is a folder, name a file")
        with (
            atomic(output, keep=True) as part,
            part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
            closing(pieces),
            tqdm(total=images.count, unit=" images", disable=None) as progress,
        ):
            file.write(",".join(COLUMNS) + "\n")
            for rows in pieces:
                file.write(rows.text)
                done += rows.images
                rejected += rows.rejected
                errors += rows.errors
                progress.update(rows.images)
    except OSError as error:
        raise BatchError(f"cannot write {error.filename or output}: {error.strerror}") from error
    return Rows("", done, rejected, errors)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; see the module's docstring."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = _parser()
    settings = parser.parse_args(argv)
    try:
        if settings.output.resolve() == settings.input.resolve():
            raise BatchError(f"--output would overwrite the input {settings.input}")
        if settings.output.suffix.lower() in _OTHER_TABLES:
            raise BatchError(f"{settings.output}: the table is CSV, name it so (FILE.csv)")
        model = next(iter(find(settings.model).values()))
        images = open_input(settings.input, settings.raw)
        rows = write_table(
            images,
            settings.output,
            model=model,
            raw=settings.raw,
            processes=settings.processes,
            batch=settings.batch,
        )
    except (BatchError, InputError, ModelError) as error:
        print(f"{parser.prog}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        part = settings.output.with_name(settings.output.name + PART)
        kept = f"; what was read is in {part}" if part.exists() else ""
        print(f"{parser.prog}: stopped{kept}", file=sys.stderr)
        return STOPPED
    print(
        f"{settings.output}: {rows.images} images, {rows.rejected} rejected, "
        f"{rows.errors} with an error; {images.skipped} other files skipped",
        file=sys.stderr,
    )
    return 1 if rows.errors else 0


def _parser() -> Parser:
    parser = Parser(
        prog="python -m serving.batch",
        description="Read many handwritten digits into a CSV table: a row for each image, with "
        "the digit, its confidence, the probability of each digit, and whether to doubt it.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "input",
        type=Path,
        metavar="INPUT",
        help="a folder of pictures, one picture, or an .npz with the array `images`, uint8 "
        "(n, height, width)",
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE.csv", help="the table to write"
    )
    variable = variable_of("model")
    try:
        networks = paths(os.environ[variable]) if variable in os.environ else Settings().model
    except ValueError as error:
        parser.error(f"{variable}: {error}")
    parser.add_argument(
        "--model",
        nargs=1,
        type=Path,
        default=networks,
        metavar="FILE.onnx",
        help=f"the network [{variable}, of several the first; default: the released one]",
    )
    parser.add_argument(
        "--raw",
        action="store_true",
        help="take 28 x 28 images as they are: white ink on black, centred as in MNIST",
    )
    cores = _cores()
    parser.add_argument(
        "--processes",
        type=whole(1, 256),
        default=min(cores, 256),
        metavar="N",
        help=f"processes to work in, one core each [default: {cores}, the cores of this machine]",
    )
    parser.add_argument(
        "--batch",
        type=whole(1, 4096),
        default=64,
        metavar="N",
        help="images in one inference; 32 to 128 are fastest [default: 64]",
    )
    return parser


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
