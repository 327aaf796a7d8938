"""Start the server: ``python -m serving --help`` lists the settings."""

import os
import signal
import sys


def main() -> None:
    """Run until SIGINT or SIGTERM; exit code 2 with one line when it cannot start."""
    # Before the imports below, which take most of the start: process 1 of a container ignores
    # a signal that it has no handler for. Nothing is under way that would have to be finished.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    if hasattr(signal, "pthread_sigmask"):
        # The container starts us with both held back (Dockerfile): not even those are lost that
        # came before this line.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    from serving.server import StartError, serve
    from serving.settings import Settings

    try:
        serve(Settings.parse())
    except StartError as error:
        print(f"python -m serving: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
