"""What our server itself says about its times: the histogram at /metrics, from head to answer."""

import http.client
import math
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from serving.http.metrics import PATH

_SECONDS, _REQUESTS = "scanline_request_seconds_bucket", "scanline_requests_total"
_ROUTE_END = "/infer"


@dataclass(frozen=True)
class Histogram:
    """Requests to infer: how many took at most so many seconds, and how many were accepted."""

    at_most: dict[float, float]
    accepted: float

    def since(self, before: "Histogram") -> "Histogram":
        counts = {edge: n - before.at_most.get(edge, 0) for edge, n in self.at_most.items()}
        return Histogram(counts, self.accepted - before.accepted)

    def slowest(self, share: float = 0.01) -> float:
        """Seconds that at most `share` of the accepted requests took longer than.

        The route's refusals are in the histogram too: as many of all as would be `share` of the
        accepted are taken to be accepted ones, which can only make it longer. Between a bucket's
        edges as Prometheus' `histogram_quantile`; nan when none was accepted.
        """
        rank = self.at_most.get(math.inf, 0) - share * self.accepted
        edge, count = 0.0, 0.0
        if not self.accepted:
            return math.nan
        for upper, below in sorted(self.at_most.items()):
            if below >= rank and below > count:
                return edge + (upper - edge) * (rank - count) / (below - count)
            edge, count = upper, below
        return math.inf


def scrape(port: int) -> Histogram:
    """Ask the server at 127.0.0.1:`port`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", PATH)
    text = connection.getresponse().read().decode()
    connection.close()
    return parse(text)


def parse(text: str) -> Histogram:
    """From Prometheus' text format."""
    at_most: dict[float, float] = {}
    accepted = 0.0
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not sample.labels.get("route", "").endswith(_ROUTE_END):
                continue
            if sample.name == _SECONDS:
                edge = float(sample.labels["le"])
                at_most[edge] = at_most.get(edge, 0.0) + sample.value
            elif sample.name == _REQUESTS and sample.labels["code"] == "200":
                accepted += sample.value
    return Histogram(at_most, accepted)
