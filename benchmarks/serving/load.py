"""Load by `wrk` (Debian's package): as fast as they can, over connections that stay open."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.body import Request

# With one thread there is one `good`, which `done` can ask for.
_SCRIPT = """
local file = io.open(os.getenv("LOAD_BODY"), "rb")
wrk.method, wrk.body = "POST", file:read("*a")
for name, value in os.getenv("LOAD_HEADERS"):gmatch("([^\\n:]+): ([^\\n]+)") do
  wrk.headers[name] = value
end
local client
function setup(thread) client = thread end
function init() good, refused = 0, 0 end
function response(status, headers)
  if status == 200 then good = good + 1
  elseif status == 503 and (headers["retry-after"] or headers["Retry-After"]) then
    refused = refused + 1
  end
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\\n{"seconds": %f, "good": %d, "refused": %d, "answers": %d, "lost": %d, ' ..
    '"p50": %f, "p99": %f}\\n',
    summary.duration / 1e6, client:get("good"), client:get("refused"), summary.requests,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


@dataclass(frozen=True)
class Measured:
    """`good` answers are 200, `refused` ones 503 with Retry-After; the times, in ms, are of all."""

    seconds: float
    good: int
    refused: int
    answers: int
    lost: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.good / self.seconds

    @property
    def wrong(self) -> int:
        """Answers that are neither, and connections that were lost."""
        return self.answers - self.good - self.refused + self.lost


def drive(port: int, request: Request, connections: int, seconds: float) -> Measured:
    """Send `request` to 127.0.0.1:`port` over so many connections, from this process's core."""
    if not shutil.which("wrk"):
        sys.exit("the load comes from wrk: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        script, body = Path(folder, "load.lua"), Path(folder, "body")
        script.write_text(_SCRIPT)
        body.write_bytes(request.body)
        headers = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
        command += ["--timeout", "30s", "-s", str(script), f"http://127.0.0.1:{port}{request.path}"]
        environment = {"LOAD_BODY": str(body), "LOAD_HEADERS": headers}
        output = _output(command, environment)
    return Measured(**json.loads(output.splitlines()[-1]))


def _output(command: Sequence[str], environment: dict[str, str]) -> str:
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=True
    ).stdout
