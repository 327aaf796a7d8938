"""The networks that one server offers, by name; each is loaded when it is first wanted."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from model.predictor import Predictor, find, read_card
from serving.http.errors import RequestError


class UnknownModelError(RequestError):
    """No network has that name; the message lists the names there are."""

    status = 404


class UnknownVersionError(RequestError):
    """The network has another version; the message names it."""

    status = 404


class Models(Mapping[str, Predictor]):
    """Predictors by name, in order; the first is `default`.

    The default and every network that was named by its file are loaded at once, so that a
    broken one ends the start. The rest of a folder is loaded on first use: 20 ms each (measured),
    which a start need not wait for.

    Args:
        paths: see `model.predictor.find`.

    Raises:
        ModelError: see `find` and `Predictor`; a network of a folder that cannot be used raises
            it when it is first looked up, and each time again.
    """

    def __init__(self, paths: Iterable[Path]):
        paths = list(paths)
        self._paths = find(paths)
        self._cards = {name: read_card(path) for name, path in self._paths.items()}
        self._loaded: dict[str, Predictor] = {}
        self._lock = Lock()
        self.default = self[next(iter(self._paths))]
        for name, path in self._paths.items():
            if path in paths:
                self[name]

    def __getitem__(self, name: str) -> Predictor:
        """The network `name`.

        Raises:
            KeyError: there is none.
            ModelError: it cannot be used.
        """
        path = self._paths[name]
        if name not in self._loaded:
            with self._lock:  # so that two callers do not both wait for their own
                if name not in self._loaded:
                    self._loaded[name] = Predictor(path)
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def choose(self, name: str | None) -> Predictor:
        """The network `name`, the default one when None.

        Raises:
            UnknownModelError: there is none of that name.
            ModelError: it cannot be used.
        """
        if name is None:
            return self.default
        if name not in self:
            known = ", ".join(map(repr, self))
            raise UnknownModelError(f"no model {name[:80]!r} here: choose one of {known}")
        return self[name]

    @property
    def loaded(self) -> list[Predictor]:
        """The networks that have been looked up so far."""
        return [*self._loaded.values()]

    def is_waiting(self, name: str) -> bool:
        """Whether there is a network `name` that has not been looked up yet."""
        return name in self._paths and name not in self._loaded

    @property
    def cards(self) -> Mapping[str, dict[str, Any]]:
        """The card of each network, loaded or not; empty where it has none."""
        return self._cards
