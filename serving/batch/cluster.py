"""The same rows by Ray Data, on this machine or a cluster: ``--engine ray``.

files → tasks that open them → actors with a `Reader` each → ``write_parquet``

Ray's own readers of files are not used: at a file that may not be read they end the run, where
the table has a row with its error, and they lose a row's number in its file.
"""

import logging
import os
import pickle
import re
import signal
import socket
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from model import cards
from serving.batch.formats import need_pyarrow
from serving.batch.inputs import File, Inputs
from serving.batch.output import OutputError, is_stream, told
from serving.batch.storage import filesystem, is_url
from serving.batch.table import FORMATS, Options, Reader, Rows

_BATCHES = 4  # of pictures in a task
_BLOCK = 2**18  # bytes that go from a task to an actor: few, for one large file feeds many actors
_PART = 2**14  # rows of a Parquet file, at least
_RETRIES = (
    5  # of a task whose worker ended; without end, a picture that kills it would never be told
)
_PATIENCE = 10  # seconds until a cluster answers


class ClusterError(Exception):
    """Ray is not there or did not do it; the message says what to do."""


def check(output: str, format: str | None, resume: bool) -> None:
    """Refuse what this engine does not do.

    Raises:
        OutputError: it was asked for.
    """
    other = [each for each in FORMATS if each != "parquet"]
    if is_stream(output) or format in other or output.lower().endswith(tuple(other)):
        raise OutputError(
            "--engine ray writes a folder of Parquet files: name a new one as --output, or take "
            "the local engine for another format"
        )
    if resume:
        raise OutputError(
            "cannot --resume with --engine ray, which itself does again what a lost worker had: "
            "start anew, into a new folder"
        )


def write_folder(
    inputs: Inputs,
    output: str,
    *,
    model: Path,
    options: Options,
    actors: int,
    address: str | None = None,
) -> Rows:
    """Read all images and write `output`, a new folder of Parquet files, in no order.

    Args:
        inputs: see `serving.batch.inputs`; afterwards it knows the files that were broken.
        output: a folder, or its URL.
        model: the ``.onnx`` file; it is sent to the actors, with its card.
        options: see `Options`; `Options.format` is no matter.
        actors: how many, with a core each.
        address: of a Ray cluster; None starts Ray on this machine, and stops it again.

    Returns:
        The table's counts, without content.

    Raises:
        ClusterError: Ray is not installed, not there, or failed.
        InputError, ModelError: see `Inputs.survey`, `Reader`.
        OutputError: the folder holds something, or cannot be written.
    """
    system, folder = _new_folder(output)
    try:
        import ray
        from ray.data import ActorPoolStrategy, DataContext, TaskPoolStrategy
        from ray.data.exceptions import SystemException
    except ImportError as error:
        raise ClusterError(
            f"--engine ray needs Ray Data ({error}): pip install -r deploy/ray/requirements.txt"
        ) from error
    options = replace(options, format="parquet")
    reader = Reader(model, options)  # here, too, so that a bad model is told in its own words
    with told(output):
        system.create_dir(folder)
    _start(ray, address, actors)
    try:
        context = DataContext.get_current()
        context.enable_progress_bars = sys.stderr.isatty()
        context.target_max_block_size = _BLOCK
        tally = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(_Tally).remote()
        # The actors take all cores, so what reads and writes beside them must not ask for one.
        (
            ray.data.from_arrow(list(_tables(inputs.files(), _BATCHES * options.batch)))
            .map_batches(
                _chunks,
                fn_args=(inputs, options.batch, tally),
                batch_format="pyarrow",
                compute=TaskPoolStrategy(size=actors),
                num_cpus=0,
            )
            .map_batches(
                _Predict,
                fn_constructor_args=(model.name, _network(model), options),
                batch_format="pyarrow",
                compute=ActorPoolStrategy(size=actors),
                num_cpus=1,
                max_task_retries=_RETRIES,
            )
            .write_parquet(
                folder,
                filesystem=system,
                min_rows_per_file=_PART,
                ray_remote_args={"num_cpus": 0},
            )
        )
        inputs.broken = len(ray.get(tally.sources.remote()))
    except (ray.exceptions.RayError, SystemException) as error:
        # A task's own error stands above Ray's advice on it, any other below a traceback.
        own = str(getattr(error, "cause", None) or "").partition("\n")[0]
        reason = own or str(error).strip().rpartition("\n")[2]
        raise ClusterError(f"Ray ended the run: {reason}: start anew, into a new folder") from error
    finally:
        ray.shutdown()
    return _counts(reader, system, folder)


def _new_folder(output: str) -> tuple[Any, str]:
    need_pyarrow("for --engine ray")
    from pyarrow import fs

    url = output if is_url(output) else str(Path(output).absolute())
    system, folder = filesystem(url)
    with told(output):
        is_file = system.get_file_info(folder).is_file
        if is_file or system.get_file_info(fs.FileSelector(folder, allow_not_found=True)):
            raise OutputError(f"{output} is there and not empty: name a new folder as --output")
    return system, folder


def _start(ray: Any, address: str | None, actors: int) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # What ends a run is raised; the rest is in Ray's own log files.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")
    here = {"num_cpus": actors, "include_dashboard": False} if address is None else {}
    try:
        if match := re.fullmatch(r"([\w.-]+):(\d+)", address or ""):
            # Ray itself would go on trying for minutes.
            socket.create_connection((match[1], int(match[2])), _PATIENCE).close()
        ray.init(address or "local", log_to_driver=False, logging_level="ERROR", **here)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        where = f"no Ray answers at {address}" if address else "Ray does not start here"
        raise ClusterError(f"{where}: {error}") from error
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # again: Ray has its own


def _network(model: Path) -> dict[str, bytes]:
    files = [model, cards.card_path(model)]
    return {file.name: file.read_bytes() for file in files if file.is_file()}


def _tables(files: Iterator[File], size: int) -> Iterator[Any]:
    """Tables of files, a task each: one that may hold many images alone, else many pictures."""
    import pyarrow

    for any_format, group in groupby(files, key=lambda file: file.any_format):
        while piece := list(islice(group, 1 if any_format else size)):
            # Another machine has another working directory.
            here = [
                each._replace(path=str(Path(each.path).absolute()))
                if isinstance(each.path, str)
                else each
                for each in piece
            ]
            yield pyarrow.table({"files": [pickle.dumps(here)]})


class _Tally:
    """Which files were broken; a task that Ray does again is counted once."""

    def __init__(self):
        self._sources: set[str] = set()

    def add(self, source: str) -> None:
        self._sources.add(source)

    def sources(self) -> set[str]:
        return self._sources


def _chunks(table: Any, inputs: Inputs, size: int, tally: Any) -> Iterator[Any]:
    """Of files, what an inference takes: pictures' names, or the images in a large file."""
    import pyarrow
    import ray

    for row in table["files"]:
        files = pickle.loads(row.as_py())
        for chunk in inputs.chunks(size, files):
            yield pyarrow.table({"chunk": [pickle.dumps(chunk)]})
        if inputs.broken:
            ray.get(tally.add.remote(files[0].source))


class _Predict:
    """An actor: it keeps its network."""

    def __init__(self, name: str, network: dict[str, bytes], options: Options):
        with TemporaryDirectory() as folder:
            for file, content in network.items():
                Path(folder, file).write_bytes(content)
            self._reader = Reader(Path(folder, name), options)

    def __call__(self, table: Any) -> Iterator[Any]:
        import pyarrow

        for row in table["chunk"]:
            batch = self._reader.read(pickle.loads(row.as_py())).content
            yield pyarrow.Table.from_batches([batch])


def _counts(reader: Reader, system: Any, folder: str) -> Rows:
    """Of the table that was written."""
    from pyarrow import compute, dataset

    table = dataset.dataset(folder, reader.schema(), "parquet", filesystem=system)
    field, answered = compute.field, compute.field("error").is_null()
    rejected = table.count_rows(filter=field("rejected"))
    counts = [table.count_rows(), rejected, table.count_rows(filter=~answered)]
    if "label" in reader.columns:
        labelled = field("label").is_valid() & answered
        met = field("digit").cast("string") == field("label")
        counts += [table.count_rows(filter=labelled), table.count_rows(filter=labelled & met)]
    return Rows(None, *counts)
