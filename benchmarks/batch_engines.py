"""How fast are `serving.batch`'s engines on this machine, and Daft with the same `Reader`?

python benchmarks/batch_engines.py mnist.npz

in Ray's environment (`make test-ray` makes it), with ``pip install daft==0.6.14`` in it. Each reads
the same digits, as a folder of PNGs and as Parquet, into Parquet, in two processes or more: one a
core. With the start: all of the command. Without: a run over few digits is subtracted.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ |= {"OPENBLAS_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
os.environ |= {"DAFT_ANALYTICS_ENABLED": "0", "DO_NOT_TRACK": "true"}

import numpy as np
import pyarrow
import pyarrow.parquet

from benchmarks.batch import png
from model.cards import RELEASE
from model.predictor import DEFAULT
from serving.batch.formats import Item
from serving.batch.table import Options, Reader

ROOT = Path(__file__).resolve().parent.parent
FEW = 256
ENGINES = ("local", "ray", "daft")


def daft_run(source: Path, output: Path, cores: int) -> None:
    """What `serving.batch` does, in Daft's words; without a row's number in its file."""
    import daft

    def reader() -> Reader:
        return Reader(RELEASE / f"{DEFAULT}.onnx", Options("parquet"))

    def row_type() -> daft.DataType:
        return daft.DataType.from_arrow_type(pyarrow.struct(list(reader().schema())))

    @daft.cls(max_concurrency=cores, use_process=True)
    class Predict:
        def __init__(self):
            self.reader = reader()

        @daft.method.batch(return_dtype=row_type(), batch_size=64)
        def rows(self, paths: daft.Series, images: daft.Series) -> pyarrow.Array:
            pairs = zip(paths.to_pylist(), images.to_pylist(), strict=True)
            items = [
                Item(path, 0, image or Path(path.removeprefix("file://"))) for path, image in pairs
            ]
            return self.reader.read(items).content.to_struct_array()

    if source.is_dir():
        frame = daft.from_glob_path(f"{source}/*.png")
        frame = frame.with_column("image", daft.lit(None).cast(daft.DataType.binary()))
    else:
        frame = daft.read_parquet(str(source), file_path_column="path")
    row = Predict().rows(daft.col("path"), daft.col("image"))
    frame.select(row.alias("row")).select(daft.col("row").unnest()).write_parquet(str(output))


def seconds(engine: str, source: Path, cores: int) -> float:
    """Of the whole command; its rows are counted."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "out.parquet")
        command = [sys.executable, "-m", "serving.batch", str(source), "--output", str(output)]
        command += ["--processes", str(cores), "--engine", engine]
        if engine == "daft":
            command = [sys.executable, __file__, "--daft", str(source), str(output), str(cores)]
        start = time.perf_counter()
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        taken = time.perf_counter() - start
        if run.returncode:
            sys.exit(f"{engine}: {run.stderr}")
        table = pyarrow.parquet.read_table(output)
        expected = FEW if "few" in source.name else int(source.stem)
        assert (len(table), table["digit"].null_count) == (expected, 0), engine
        return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=20_000)
    arguments = parser.parse_args()
    digits = np.load(arguments.data)["x_train"]
    cores = len(os.sched_getaffinity(0))
    top = Path(tempfile.mkdtemp())
    kinds = {"PNG files": "", "Parquet": ".parquet"}
    for name, many in (("few", FEW), (str(arguments.count), arguments.count)):
        images = [png(digits[i % len(digits)], 28) for i in range(many)]
        pyarrow.parquet.write_table(pyarrow.table({"image": images}), top / f"{name}.parquet")
        (top / name).mkdir()
        for i, image in enumerate(images):
            (top / name / f"{i:06d}.png").write_bytes(image)
    taken: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(arguments.rounds):
        for kind, ending in kinds.items():
            for engine in ENGINES:
                pair = [
                    seconds(engine, top / f"{name}{ending}", cores)
                    for name in ("few", arguments.count)
                ]
                taken.setdefault((kind, engine), []).append((pair[0], pair[1]))
    shutil.rmtree(top)
    load = os.getloadavg()[0]
    print(f"{cores} cores, load {load:.1f}, medians of {arguments.rounds} rounds\n")
    print("| input | engine | images/s | with the start | start and 256 digits, s |")
    print("|---|---|---|---|---|")
    for (kind, engine), pairs in taken.items():
        rate = statistics.median((arguments.count - FEW) / (many - few) for few, many in pairs)
        whole = statistics.median(arguments.count / many for _, many in pairs)
        few = statistics.median(few for few, _ in pairs)
        print(f"| {arguments.count:,} {kind} | {engine} | {rate:,.0f} | {whole:,.0f} | {few:.1f} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--daft"]:
        daft_run(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
