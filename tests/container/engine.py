"""Two ways to build and run the Dockerfile: a Docker engine, or a script that stands in for it.

The script, named by the environment variable ``CONTAINER_SH``, understands ``build DIR TAG
ARGUMENTS...``, ``run TAG PORT ARGUMENTS...``, ``health PORT SECONDS``, ``exec PORT COMMAND...`` and
``stop PORT SECONDS``. Both run containers with a read-only root and without capabilities; the
arguments are those of ``docker build`` and ``docker run``.
"""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

GRACE_SECONDS = 60  # for a busy machine
_LIMITS = ["--read-only", "--tmpfs=/tmp", "--cap-drop=all", "--security-opt=no-new-privileges"]


class EngineError(Exception):
    """A command of the engine failed; the message is what it said."""


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise EngineError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class Docker:
    """A container of the image `tag`, published on 127.0.0.1:`port`."""

    def __init__(self, tag: str, port: int):
        self.port = port
        self._tag = tag
        self._name = f"scanline-test-{port}"

    @staticmethod
    def build(folder: Path, tag: str, *arguments: str) -> None:
        _run("docker", "build", "-t", tag, *arguments, folder)

    def start(self, *arguments: str) -> None:
        isolated = "--network=none" in arguments
        publish = [] if isolated else ["-p", f"127.0.0.1:{self.port}:7860"]
        name = ["--name", self._name]
        _run("docker", "run", "-d", *name, *publish, *_LIMITS, *arguments, self._tag)

    def wait_until_healthy(self, seconds: float) -> None:
        """Ask the image's own health check; the engine would wait out its interval first."""
        health = _run("docker", "inspect", "--format", "{{json .Config.Healthcheck}}", self._name)
        _, *command = json.loads(health)["Test"]
        end = time.monotonic() + seconds
        while True:
            try:
                self.execute(*command)
                return
            except EngineError:
                if time.monotonic() > end:
                    raise
            time.sleep(0.2)

    def execute(self, *command: str) -> str:
        return _run("docker", "exec", self._name, *command)

    def stop(self, grace: int = GRACE_SECONDS) -> int:
        """Send the stop signal and return the exit code, 137 if it had to be killed."""
        _run("docker", "stop", "-t", str(grace), self._name)
        return int(_run("docker", "inspect", "--format", "{{.State.ExitCode}}", self._name))

    def remove(self) -> None:
        subprocess.run(["docker", "rm", "-f", self._name], capture_output=True)


class Script:
    """The same by the script in ``CONTAINER_SH``."""

    def __init__(self, tag: str, port: int):
        self.port = port
        self._tag = tag

    @staticmethod
    def build(folder: Path, tag: str, *arguments: str) -> None:
        _run(os.environ["CONTAINER_SH"], "build", folder, tag, *arguments)

    def _do(self, verb: str, *arguments: str) -> str:
        return _run(os.environ["CONTAINER_SH"], verb, str(self.port), *arguments)

    def start(self, *arguments: str) -> None:
        _run(os.environ["CONTAINER_SH"], "run", self._tag, str(self.port), *arguments)

    def wait_until_healthy(self, seconds: float) -> None:
        self._do("health", str(seconds))

    def execute(self, *command: str) -> str:
        return self._do("exec", *command)

    def stop(self, grace: int = GRACE_SECONDS) -> int:
        return int(re.search(r"exit code (\d+)", self._do("stop", str(grace)))[1])

    def remove(self) -> None:
        subprocess.run([os.environ["CONTAINER_SH"], "stop", str(self.port)], capture_output=True)


Container = Docker | Script


def find_engine() -> type[Docker] | type[Script]:
    """Docker if its engine answers (a client alone is not enough), else the script.

    Raises:
        EngineError: neither is there.
    """
    if shutil.which("docker"):
        answer = subprocess.run(["docker", "version"], capture_output=True)
        if answer.returncode == 0:
            return Docker
    if os.environ.get("CONTAINER_SH"):
        return Script
    raise EngineError("no Docker engine answers: start one, or name a script by CONTAINER_SH")
