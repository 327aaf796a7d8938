"""Digits by the million: ``python -m serving.batch INPUT... --output FILE``.

Inputs are folders of pictures, pictures, and files with many images, told by their first bytes
(`serving.batch.formats`). The table has a row for each image, in the order of the inputs. A
picture that cannot be read has its ``error`` and spoils no other.

Exit codes: 0; 1 if a file ended before all of its images were read, and with ``--strict`` if a
row has an error; 2 if nothing could be done, with one line on why; 130 if stopped, by Ctrl-C or
SIGTERM.
"""

import os

# Read by NumPy at import, here and in the workers: each uses one core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import multiprocessing
import signal
import sys
from argparse import Namespace
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from itertools import chain, islice
from pathlib import Path

from tqdm import tqdm

from model import __version__, cards
from model.predictor import PROVIDERS, ModelError, find
from serving.batch import cluster
from serving.batch.inputs import STDIN, Chunk, InputError, Inputs, Survey
from serving.batch.output import (
    CHUNKS,
    OutputError,
    Parts,
    descriptor_of,
    is_stream,
    staged,
    told,
    write_stream,
)
from serving.batch.report import Report
from serving.batch.storage import is_url
from serving.batch.table import FORMATS, Options, Reader, Rows, start_worker, work
from serving.settings import Parser, Settings, paths, variable_of, whole

STOPPED = 130


class BatchError(Exception):
    """The table cannot be made; the message says what to do."""


def _in_processes(
    chunks: Iterable[Chunk], processes: int, model: Path, options: Options
) -> Iterator[Rows]:
    """Map `Reader(model, options).read` over the chunks, in order, few in memory at a time."""
    # Spawned, for a fork of a process with ONNX Runtime's threads may hang.
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, spawn, start_worker, (model, options))
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
            "a worker ended unexpectedly, perhaps for lack of memory: take fewer --processes, and "
            "--resume if the output is a file"
        ) from error
    except BaseException:  # stopped: what the workers still read is of no use
        for worker in multiprocessing.active_children():
            worker.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, chunk: Chunk) -> Future[Rows]:
    # This may start a worker, which inherits the mask: Ctrl-C is for this process alone.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(work, chunk)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _read(
    chunks: Iterator[Chunk], reader: Reader, processes: int, model: Path, options: Options
) -> Iterator[Rows]:
    """Here, where there is one process or one chunk; else in processes."""
    first = list(islice(chunks, 2))
    if processes == 1 or len(first) < 2:
        yield from map(reader.read, first)
        yield from map(reader.read, chunks)
    else:
        with closing(_in_processes(chain(first, chunks), processes, model, options)) as pieces:
            yield from pieces


class _Counts:
    """What was read, shown as it grows where somebody looks."""

    def __init__(self, survey: Survey):
        self.images = self.rejected = self.errors = self.labelled = self.right = 0
        self._progress = tqdm(total=survey.count, unit=" images", disable=None, smoothing=0.1)

    def add(self, images: int, rejected: int, errors: int, labelled: int, right: int) -> None:
        self.images += images
        self.rejected += rejected
        self.errors += errors
        self.labelled += labelled
        self.right += right
        self._progress.update(images)

    def watch(self, pieces: Iterator[Rows]) -> Generator[Rows, None, None]:
        with closing(pieces), self._progress:
            for rows in pieces:
                self.add(*rows[1:])
                yield rows


def write_table(
    inputs: Inputs,
    survey: Survey,
    output: str,
    *,
    model: Path,
    options: Options,
    processes: int = 1,
    resume: bool = False,
) -> Rows:
    """Read all images and write `output`: a file appears only when it is whole.

    Args:
        inputs, survey: see `serving.batch.inputs`.
        output: a file, a pipe, a device, or ``-``.
        model: the ``.onnx`` file.
        options: see `Options`.
        processes: workers; with 1 the work is done in this process.
        resume: go on with what a run that was stopped has left.

    Returns:
        The table's counts, without content.

    Raises:
        BatchError: a worker died.
        InputError: see `Inputs.chunks`.
        ModelError: see `Predictor`.
        OutputError: see `serving.batch.output`.
    """
    reader = Reader(model, options)  # here, too, so that a bad model is told in its own words
    chunks = inputs.chunks(options.batch)
    if is_stream(output):
        if resume:
            raise OutputError(f"cannot --resume into {output}, which is no file: name a file")
        counts = _Counts(survey)
        with closing(counts.watch(_read(chunks, reader, processes, model, options))) as pieces:
            write_stream(output, reader, options.format, pieces)
    else:
        card = cards.card_path(model)
        manifest = {
            "the input": survey.fingerprint,
            "the network": reader.predictor.sha256,
            "its card": cards.sha256(card) if card.is_file() else None,
            "Scanline": __version__,
        } | {f"--{name}": value for name, value in options.as_json().items()}
        with closing(Parts(Path(output), manifest, resume)) as parts:
            counts = _Counts(survey)
            for done in parts.done:
                counts.add(*done)
            left = islice(chunks, CHUNKS * len(parts.done), None)
            with closing(counts.watch(_read(left, reader, processes, model, options))) as pieces:
                parts.write(reader, options.format, pieces)
    return Rows(None, counts.images, counts.rejected, counts.errors, counts.labelled, counts.right)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; see the module's docstring."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = _parser()
    settings = parser.parse_args(argv)
    resumable = not (
        is_stream(settings.output) or is_url(settings.output) or settings.engine == "ray"
    )
    again = "; the same command with --resume goes on" if resumable else ""
    try:
        options = _options(settings)
        inputs = Inputs(settings.inputs, settings.key, settings.label_column)
        survey = inputs.survey()
        if survey.fingerprint is None:
            again = ""
            if settings.resume:
                raise InputError(
                    "cannot --resume a list on standard input, which is read only once: name "
                    "files, folders or patterns"
                )
        model = next(iter(find(settings.model).values()))
        if settings.engine == "ray":
            rows = cluster.write_folder(
                inputs,
                settings.output,
                model=model,
                options=options,
                actors=settings.processes,
                address=settings.ray_address,
            )
        else:
            with staged(settings.output) as output:
                rows = write_table(
                    inputs,
                    survey,
                    output,
                    model=model,
                    options=options,
                    processes=settings.processes,
                    resume=settings.resume,
                )
                if settings.report:
                    _report(Path(output), settings.report, inputs, Reader(model, options))
    except (BatchError, cluster.ClusterError, InputError, ModelError, OutputError) as error:
        print(f"{parser.prog}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{parser.prog}: stopped{again}", file=sys.stderr)
        return STOPPED
    right = f"; {rows.right} of {rows.labelled} labels met" if settings.label_column else ""
    broken = f"; {inputs.broken} files ended too early" if inputs.broken else ""
    print(
        f"{settings.output}: {rows.images} images, {rows.rejected} rejected, "
        f"{rows.errors} with an error; {survey.skipped} other files skipped{right}{broken}",
        file=sys.stderr,
    )
    return 1 if inputs.broken or (settings.strict and rows.errors) else 0


def _report(table: Path, output: str, inputs: Inputs, reader: Reader) -> None:
    report = Report(table, reader.options.format)
    print(report, file=sys.stderr)
    broken = inputs.broken
    picture = report.picture(inputs.chunks(reader.options.batch), reader)
    inputs.broken = broken  # not twice
    with told(output):
        picture.save(output)


def _options(settings: Namespace) -> Options:
    """What was asked for.

    Raises:
        OutputError: the output is an input, its ending names no format, or flags contradict.
    """
    output = Path(settings.output)
    if settings.report:
        is_file = not (is_stream(settings.output) or is_url(settings.output))
        if not (settings.label_column and is_file and settings.engine == "local"):
            raise OutputError(
                "--report needs --label-column, the local engine, and an --output that is a file "
                "of this machine"
            )
        if STDIN in settings.inputs:
            raise OutputError("--report reads twice: name files, not a list on standard input")
        if Path(settings.report).suffix != ".png" or not Path(settings.report).parent.is_dir():
            raise OutputError(f"{settings.report}: name a .png in a folder that is there")
    if settings.engine == "ray":
        if settings.provider != "cpu":
            raise OutputError("--engine ray computes on cpu: leave --provider out")
        cluster.check(settings.output, settings.format, settings.resume)
        settings.format = "parquet"
    elif settings.ray_address:
        raise OutputError("--ray-address is for --engine ray: name both or none")
    elif settings.resume and is_url(settings.output):
        raise OutputError(f"cannot --resume into {settings.output}: name a file of this machine")
    format = settings.format or next(
        (each for each in sorted(FORMATS, key=len) if output.name.lower().endswith(f".{each}")),
        None,
    )
    if format is None:
        if not is_stream(settings.output):
            known = ", ".join(f".{each}" for each in FORMATS)
            raise OutputError(f"{output}: end it in {known}, or name a --format")
        format = FORMATS[0]
    if descriptor_of(settings.output) is None and output.is_file():
        for named in settings.inputs:
            if output.resolve() == Path(named).resolve():
                raise OutputError(f"--output would overwrite the input {named}")
    if is_url(settings.output) and settings.output in settings.inputs:
        raise OutputError(f"--output would overwrite the input {settings.output}")
    return Options(
        format,
        settings.batch,
        settings.raw,
        settings.probabilities,
        settings.step_probabilities,
        settings.hidden_states,
        settings.label_column,
        settings.provider,
    )


def _parser() -> Parser:
    parser = Parser(
        prog="python -m serving.batch",
        description="Read many handwritten digits into a table: a row for each image, with the "
        "digit, its confidence, and whether to doubt it. A run that was stopped goes on.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="a folder of pictures, a picture, .npz, .npy, IDX, MNIST's CSV, Parquet, Arrow, tar, "
        'zip, JSON Lines, a URL of these (s3://bucket/scans), a pattern ("scans/**/*.png"), or - '
        "for a list of files on standard input",
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="FILE",
        help="the table to write: " + ", ".join(f".{each}" for each in FORMATS) + "; a URL of "
        "such; a pipe or device, or - for standard output, is written as the rows come; a new "
        "folder with --engine ray",
    )
    parser.add_argument("--format", choices=FORMATS, help="[default: by the output's ending]")
    parser.add_argument(
        "--key", metavar="NAME", help="the array of an .npz, or the column, that holds the images"
    )
    parser.add_argument(
        "--label-column",
        metavar="NAME",
        help="the array of an .npz, or the column, that holds the labels: a column `label`, and "
        "how many were met",
    )
    parser.add_argument(
        "--report",
        metavar="FILE.png",
        help="of labels: print the confusion matrix, and draw it beside the surest errors",
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
    for flag, text in (
        ("--raw", "take 28 x 28 images as they are: white ink on black, centred as in MNIST"),
        ("--probabilities", "columns p0 to p9"),
        ("--step-probabilities", "a column of what the network believes after each row"),
        ("--hidden-states", "columns of the network's states after each row"),
        ("--strict", "exit with 1 if a row has an error"),
        ("--resume", "go on with what a run that was stopped has left, if there is such"),
    ):
        parser.add_argument(flag, action="store_true", help=text)
    parser.add_argument(
        "--provider",
        choices=PROVIDERS,
        default="cpu",
        help="what computes; cuda needs onnxruntime-gpu, and then one process [default: cpu]",
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray: by Ray Data, into a folder of Parquet files [default: local, processes here]",
    )
    parser.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="the Ray cluster to use, auto or HOST:PORT [default: Ray is started here]",
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
