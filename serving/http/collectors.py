"""Metrics that nobody counts: what a scrape finds out when it comes."""

import platform
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import ProcessCollector
from prometheus_client.metrics_core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from model.predictor import RUNTIME_VERSION
from serving.inference.models import Models
from serving.inference.v2 import SERVER_VERSION

LIVE_SUM = "livesum"  # of a gauge: over all workers that live; its files have that in their names


class Facts(Collector):
    """What runs here: versions, and the networks that `models` has loaded so far."""

    def __init__(self, models: Models):
        self._models = models
        self._build = {
            "version": SERVER_VERSION,
            "python": platform.python_version(),
            "onnxruntime": RUNTIME_VERSION,
        }

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily(
            "scanline_build", "Versions of the server and what it runs on.", self._build
        )
        networks = InfoMetricFamily(
            "scanline_model",
            "Networks loaded so far, with the SHA-256 of their files.",
            labels=("model", "version", "sha256"),
        )
        for predictor in self._models.loaded:
            networks.add_metric((predictor.name, predictor.version, predictor.sha256), {})
        yield networks


class Workers(Collector):
    """``process_...`` of each worker, labelled by its process id.

    Args:
        folder: where each has its files.
    """

    def __init__(self, folder: Path):
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        merged: dict[str, Metric] = {}
        for file in sorted(self._folder.glob(f"gauge_{LIVE_SUM}_*.db")):
            worker = file.stem.rpartition("_")[2]
            for metric in ProcessCollector(pid=lambda pid=worker: pid, registry=None).collect():
                into = merged.setdefault(
                    metric.name, Metric(metric.name, metric.documentation, metric.type)
                )
                for sample in metric.samples:
                    into.add_sample(sample.name, {"pid": worker}, sample.value)
        return merged.values()
