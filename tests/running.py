"""The server as a process, for tests that need a real one."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent


@contextmanager
def serving(*flags: str, group: bool = False, **variables: str) -> Iterator[subprocess.Popen]:
    """`python -m serving` on a free port, by default without the page; killed at the end.

    Args:
        flags: of the command.
        group: makes it the first of a process group of its own, as a terminal does.
        variables: of its environment.
    """
    command = [sys.executable, "-m", "serving", "--no-ui", "--port", "0", *flags]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": group}
    environ = os.environ | variables
    with subprocess.Popen(command, cwd=ROOT, text=True, env=environ, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def url_of(process: subprocess.Popen) -> str:
    """Where the server is, once it takes calls."""
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found, line + process.stderr.read()
    return found[0]


def port_of(process: subprocess.Popen) -> int:
    return int(url_of(process).rpartition(":")[2])
