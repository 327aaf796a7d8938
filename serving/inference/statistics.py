"""What Triton's clients call a model's statistics: counts and nanoseconds since the start.

Source: docs/protocol/extension_statistics.md of github.com/triton-inference-server/server.
Every process counts for itself. For a whole server, and for histograms, there are the metrics
(`serving.http.metrics`).
"""

import time
from collections import defaultdict
from threading import Lock
from typing import Any


class Statistics:
    """The counts of one network. Each method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._durations: dict[str, _Duration] = defaultdict(_Duration)
        self._batches: dict[int, _Duration] = defaultdict(_Duration)
        self._images = 0
        self._last_milliseconds = 0

    def computed(self, seconds: float, images: int, waits: list[float]) -> None:
        """The network has run once, over a batch.

        Args:
            seconds: it took.
            images: in the batch.
            waits: seconds that each request in it had waited for it.
        """
        with self._lock:
            self._images += images
            self._last_milliseconds = time.time_ns() // 1_000_000
            self._batches[images].add(seconds)
            # To each of its requests the batch took as long, which is how Triton counts.
            self._durations["compute_infer"].add(seconds * len(waits), len(waits))
            self._durations["queue"].add(sum(waits), len(waits))

    def answered(self, seconds: float, reading: float, writing: float) -> None:
        """A request is answered.

        Args:
            seconds: from its body to its answer.
            reading: of them, to parse the body.
            writing: of them, to write the answer.
        """
        with self._lock:
            self._durations["success"].add(seconds)
            self._durations["compute_input"].add(reading)
            self._durations["compute_output"].add(writing)

    def failed(self, seconds: float) -> None:
        """A request has got an error after so many seconds."""
        with self._lock:
            self._durations["fail"].add(seconds)

    def describe(self, name: str, version: str) -> dict[str, Any]:
        """The statistics of the network `name` as its clients expect them."""
        with self._lock:
            return {
                "name": name,
                "version": version,
                "last_inference": self._last_milliseconds,
                "inference_count": self._images,
                "execution_count": sum(batch.count for batch in self._batches.values()),
                "inference_stats": {key: self._durations[key].describe() for key in _DURATIONS},
                "batch_stats": [
                    {"batch_size": size, "compute_infer": batch.describe()}
                    for size, batch in sorted(self._batches.items())
                ],
            }


_DURATIONS = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output")


class _Duration:
    def __init__(self) -> None:
        self.count = 0
        self._seconds = 0.0

    def add(self, seconds: float, count: int = 1) -> None:
        self.count += count
        self._seconds += seconds

    def describe(self) -> dict[str, int]:
        return {"count": self.count, "ns": round(self._seconds * 1e9)}
