"""Digits by the thousand: ``python -m serving.batch INPUT ... --output predictions.csv``.

INPUT is a folder of pictures (with the folders in it), a picture, a .zip or .tar of pictures, an
array of images (.npz, .npy, IDX, MNIST's CSV), JSON Lines, or ``-`` for names on standard input.
The table has a row for each image, in the order of the input. A picture that cannot be read has
its ``error`` and spoils no other. A run that was killed goes on with ``--resume``.

Exit codes: 0; 1 with ``--strict`` if a row has an error; 2 if nothing could be done, with one line
on why; 130 if stopped, by Ctrl-C or SIGTERM.
"""

import os

# Read by NumPy at import, here and in the workers: each uses one core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import gzip
import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from model import cards
from model.predictor import ModelError, find
from serving.batch.inputs import KEY, Input, InputError, Item, chunks, open_input
from serving.batch.output import Done, OutputError, check, is_stream, open_table
from serving.batch.table import CSV, FORMATS, JSON, Reader, Rows, header, start_worker, work
from serving.settings import Parser, Settings, paths, variable_of, whole

STOPPED = 130
_ENDINGS = {".csv": CSV, ".jsonl": JSON, ".ndjson": JSON}
_PACKED = ".gz"


class BatchError(Exception):
    """The table cannot be made; the message says what to do."""


def _in_processes(chunks: Iterable[list[Item]], processes: int, *reader: Any) -> Iterator[Rows]:
    """Map `Reader(*reader).read` over the chunks, in order, few of them in memory at a time."""
    # Spawned, for a fork of a process with ONNX Runtime's threads may hang.
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, spawn, start_worker, reader)
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
    images: Input,
    output: Path,
    *,
    model: Path,
    raw: bool,
    processes: int,
    batch: int,
    kind: str = CSV,
    resume: bool = False,
) -> Done:
    """Read all images and write `output`, which appears only when it is whole.

    Args:
        images: see `serving.batch.inputs`.
        output: the file or stream, see `serving.batch.output`.
        model: the ``.onnx`` file.
        raw: see `Reader`.
        processes: workers; with 1 the work is done in this process.
        batch: images in one inference.
        kind: of the table, see `Reader`.
        resume: go on with a run that was ended.

    Returns:
        What is in the table.

    Raises:
        BatchError: the file cannot be written, or a worker died.
        OutputError: see `open_table`.
        InputError: see `Input.items`.
        ModelError: see `Predictor`.
    """
    if resume and images.fingerprint is None:
        raise BatchError("--resume cannot go on with names from standard input: list them in files")
    reader = Reader(model, raw, kind)  # here, too, so that a bad model is told in its own words
    run = {
        "input": images.fingerprint,
        "network": cards.sha256(model),
        "options": {"raw": raw, "batch": batch, "format": kind},
    }
    is_packed = output.suffix.lower() == _PACKED

    def pack(content: bytes) -> bytes:
        return gzip.compress(content, mtime=0) if is_packed else content

    try:
        with open_table(output, run, resume) as table:
            done = table.done
            if not done.size and header(kind):
                done = table.write(pack(header(kind).encode()), 0, 0, 0)
            pieces = chunks(islice(images.items(), done.images, None), batch)
            if processes > 1 and (images.count is None or images.count > batch):
                most = processes if images.count is None else -(-images.count // batch)
                answers = _in_processes(pieces, min(processes, most), model, raw, kind)
            else:
                answers = (reader.read(piece) for piece in pieces)
            with (
                closing(answers),
                tqdm(
                    total=images.count, initial=done.images, unit=" images", disable=None
                ) as progress,
            ):
                for rows in answers:
                    content = rows.text.encode("utf-8", "backslashreplace")
                    done = table.write(pack(content), rows.images, rows.rejected, rows.errors)
                    progress.update(rows.images)
    except OSError as error:
        raise BatchError(f"cannot write {error.filename or output}: {error.strerror}") from error
    return done


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; see the module's docstring."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = _parser()
    settings = parser.parse_args(argv)
    output = settings.output
    try:
        check(output)
        same = [
            name for name in settings.input if os.path.realpath(name) == os.path.realpath(output)
        ]
        if same and not is_stream(output):
            raise BatchError(f"--output would overwrite the input {same[0]}")
        kind = settings.format or _kind(output)
        model = next(iter(find(settings.model).values()))
        images = open_input(settings.input, settings.raw, settings.key)
        done = write_table(
            images,
            output,
            model=model,
            raw=settings.raw,
            processes=settings.processes,
            batch=settings.batch,
            kind=kind,
            resume=settings.resume,
        )
    except (BatchError, InputError, OutputError, ModelError) as error:
        print(f"{parser.prog}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        again = "" if is_stream(output) else "; the same command with --resume goes on"
        print(f"{parser.prog}: stopped{again}", file=sys.stderr)
        return STOPPED
    print(
        f"{output}: {done.images} images, {done.rejected} rejected, "
        f"{done.errors} with an error; {images.skipped} other files skipped",
        file=sys.stderr,
    )
    return 1 if done.errors and settings.strict else 0


def _kind(output: Path) -> str:
    """Of a table, by its file's name; CSV down a stream."""
    name = output.with_suffix("") if output.suffix.lower() == _PACKED else output
    if is_stream(output):
        return CSV
    if name.suffix.lower() not in _ENDINGS:
        known = ", ".join(_ENDINGS)
        raise BatchError(f"{output}: name it by what it is to be ({known}, each also with .gz)")
    return _ENDINGS[name.suffix.lower()]


def _parser() -> Parser:
    parser = Parser(
        prog="python -m serving.batch",
        description="Read many handwritten digits into a table: a row for each image, with the "
        "digit, its confidence, the probability of each digit, and whether to doubt it.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "input",
        nargs="+",
        metavar="INPUT",
        help="folders of pictures, pictures, .zip or .tar of pictures, uint8 arrays (n, height, "
        "width) as .npz or .npy, IDX, MNIST's CSV, JSON Lines; - reads names of pictures from "
        "standard input",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="the table to write: .csv or .jsonl, also .gz; a pipe or a device; - for standard "
        "output",
    )
    parser.add_argument("--format", choices=FORMATS, help="of the table [default: by its name]")
    parser.add_argument(
        "--key",
        default=KEY,
        metavar="NAME",
        help=f"the array in an .npz [default: {KEY}] or the field of JSON Lines [default: image]",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with a table whose run was ended"
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1 if a picture could not be read"
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
