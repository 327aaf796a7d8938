"""What came back, and what should not have."""

import threading
from collections import Counter

MOST_SECONDS = 5.0
PATIENCE = 4 * MOST_SECONDS  # then it counts as a hang
_KEPT = 50  # descriptions; all troubles are counted


class Tally:
    """Answers by kind of request and code; several threads may write into it."""

    def __init__(self) -> None:
        self.codes: Counter[tuple[str, str]] = Counter()
        self.slowest = 0.0
        self.count = 0  # troubles
        self.troubles: list[str] = []
        self._lock = threading.Lock()

    def add(self, kind: str, code: object, seconds: float, sent: object, bad: bool = False) -> None:
        """One request is done.

        Args:
            kind: of the request.
            code: HTTP's, WebSocket's or gRPC's, None where the connection was only closed.
            seconds: from the last byte sent.
            sent: what to show if it is a trouble.
            bad: the code is the server's own failure; of HTTP's 500 and more that is known.
        """
        with self._lock:
            self.codes[kind, "closed" if code is None else str(code)] += 1
            self.slowest = max(self.slowest, seconds)
        if bad or (isinstance(code, int) and 500 <= code < 600 and code != 503):
            self.trouble(f"{kind}: {code} to {str(sent)[:300]}")
        elif seconds > MOST_SECONDS:
            self.trouble(f"{kind}: {code} only after {seconds:.2f} s: {str(sent)[:300]}")

    def trouble(self, text: str) -> None:
        with self._lock:
            self.count += 1
            if len(self.troubles) < _KEPT:
                self.troubles.append(text)

    def merge(self, other: "Tally") -> None:
        """Take in what another process counted."""
        self.codes += other.codes
        self.slowest = max(self.slowest, other.slowest)
        self.count += other.count
        self.troubles += other.troubles

    def __getstate__(self) -> dict:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state, _lock=threading.Lock())
