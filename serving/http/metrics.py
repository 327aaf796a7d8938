"""What an operator can watch at ``GET /metrics``, in Prometheus' text format.

Units are seconds, as Prometheus wants them, and histograms stand where Triton has sums in
microseconds. docs/operate.md has the names, beside Triton's and KServe's.

Several worker processes write into one folder, which `serving.server` makes before the first of
them starts, and each answers for all.

Sources: docs/user_guide/metrics.md of github.com/triton-inference-server/server,
python/kserve/kserve/metrics.py of github.com/kserve/kserve.
"""

import os
import platform
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from fastapi import FastAPI, Request, Response
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import InfoMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from model import __version__
from model.predictor import RUNTIME_VERSION, Predictor

PATH = "/metrics"
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own name for it
BUCKETS = (  # seconds
    *(0.0001, 0.00025, 0.0005),
    *(0.001, 0.0025, 0.005),
    *(0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0),
)

LIVE_SUM = "livesum"  # of a gauge: over all workers that live; its files have that in their names

disable_created_metrics()  # a line more for each series, which nobody reads


class Metrics:
    """Counts and times. Each method may be called from any thread.

    Args:
        loaded: gives the networks that ``scanline_model_info`` describes, those loaded so far.
    """

    def __init__(self, loaded: Callable[[], Iterable[Predictor]]):
        self._facts = _Facts(loaded)
        self._registry = registry = CollectorRegistry()
        registry.register(self._facts)
        ProcessCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"scanline_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, *labels: str) -> Histogram:
            return Histogram(f"scanline_{name}", text, labels, buckets=BUCKETS, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"scanline_{name}", text, registry=registry, multiprocess_mode=LIVE_SUM)

        # Looking a series up by its labels costs as much as counting does: each is kept.
        self._requests = cache(
            counter(
                "requests", "Requests answered, by route and HTTP or gRPC status.", "route", "code"
            ).labels
        )
        self._request_seconds = cache(
            histogram(
                "request_seconds", "From a request's head to the end of its answer.", "route"
            ).labels
        )
        self._preprocess_seconds = cache(
            histogram(
                "preprocess_seconds", "Reading a request's body: parsing or decoding.", "route"
            ).labels
        )
        self._predict_seconds = cache(
            histogram(
                "predict_seconds", "One run of the network, over a batch of images.", "model"
            ).labels
        )
        self._images = cache(
            counter("images", "Images that the network read for the API.", "model").labels
        )
        self._executions = cache(
            counter("executions", "Runs of the network for the API: batches.", "model").labels
        )
        self._rejected = cache(
            counter(
                "rejected", "Images whose answer is better not believed.", "model", "reason"
            ).labels
        )
        self._shed = cache(
            counter("requests_shed", "Requests refused under load, by HTTP status.", "code").labels
        )
        self._drawing_seconds = histogram(
            "live_drawing_seconds", "One drawing of the live page, from message to answer."
        )
        self.in_flight = gauge(
            "requests_in_flight", "Requests being answered, health checks and /metrics left out."
        )
        self.live_connections = gauge("live_connections", "WebSockets of live pages.")

    def answered(self, route: str, code: int | str, seconds: float) -> None:
        """A request is done.

        Args:
            route: a template, never a path as a client wrote it, or series grow without end.
            code: HTTP's status, or the name of gRPC's.
            seconds: from its head to the end of its answer.
        """
        self._requests(route, code).inc()
        self._request_seconds(route).observe(seconds)

    def connected(self, route: str, code: int) -> None:
        """A WebSocket is closed; `code` is that of its handshake, 101 where it was accepted."""
        self._requests(route, code).inc()

    def decoded(self, route: str, seconds: float) -> None:
        """The body of a request is read."""
        self._preprocess_seconds(route).observe(seconds)

    def inferred(self, model: str, seconds: float, images: int) -> None:
        """The network has run once, over `images` images."""
        self._predict_seconds(model).observe(seconds)
        self._images(model).inc(images)
        self._executions(model).inc()

    def rejected(self, model: str, reason: str) -> None:
        """An image is rejected; of a `reason` such as ``not sure: 4 or 9`` the kind counts."""
        self._rejected(model, reason.partition(":")[0]).inc()

    def shed(self, code: int) -> None:
        """A request is refused since too many are inside."""
        self._shed(code).inc()

    def drawn(self, seconds: float) -> None:
        """A drawing of the live page is answered."""
        self._drawing_seconds.observe(seconds)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """All metrics, and their content type.

        Args:
            accept: the request's header; whoever asks for OpenMetrics gets it.
        """
        encode, content_type = choose_encoder(accept)
        registry = self._registry
        if folder := os.environ.get(FOLDER_VARIABLE):
            registry = CollectorRegistry()
            registry.register(_Workers(Path(folder)))  # first: it forgets workers that are gone
            MultiProcessCollector(registry, folder)
            registry.register(self._facts)
        return encode(registry), content_type


def add_route(app: FastAPI, metrics: Metrics) -> None:
    """Answer ``GET /metrics``; /docs, which shows what clients call, has it not."""

    def scrape(request: Request) -> Response:  # not async: it reads the other workers' files
        content, content_type = metrics.render(request.headers.get("accept", ""))
        return Response(content, media_type=content_type)

    app.add_route(PATH, scrape, include_in_schema=False)


class _Facts(Collector):
    """What runs here: versions, and the networks `loaded` so far."""

    def __init__(self, loaded: Callable[[], Iterable[Predictor]]):
        self._loaded = loaded
        self._build = {
            "version": __version__,
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
        for predictor in self._loaded():
            networks.add_metric((predictor.name, predictor.version, predictor.sha256), {})
        yield networks


class _Workers(Collector):
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
            if not _is_alive(int(worker)):  # replaced by another: what it counted stays
                mark_process_dead(int(worker), str(self._folder))
                continue
            for metric in ProcessCollector(pid=lambda pid=worker: pid, registry=None).collect():
                into = merged.setdefault(
                    metric.name, Metric(metric.name, metric.documentation, metric.type)
                )
                for sample in metric.samples:
                    into.add_sample(sample.name, {"pid": worker}, sample.value)
        return merged.values()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
