"""Which paths probes ask: never refused under load, open without a key, not in the log."""

import re

READINESS = re.compile(r"/v2/models/(?P<model>[^/]+)(/versions/[^/]+)?/ready")  # of a network


def is_health(path: str) -> bool:
    return path.startswith("/v2/health/") or (
        path.endswith("/ready") and READINESS.fullmatch(path) is not None
    )
