"""What /docs shows beside the routes: examples of answers, good and bad, and the keys."""

from typing import Any

import numpy as np
from fastapi import FastAPI

from model import signature
from model.images.files import FORMATS
from model.prediction import predictions
from model.predictor import VERSION
from model.verdict import NO_INK, NOT_A_DIGIT, SEVERAL_DIGITS, Thresholds
from serving.classify import result
from serving.http.health import is_health
from serving.inference.rest import OF_VERSION
from serving.inference.schemas import NAME
from serving.inference.tensors import FP32

_CONTENT = "application/json"


def _probabilities(digits: dict[int, float]) -> np.ndarray:
    """Of all ten: the others share what `digits` leave over."""
    rest = (1 - sum(digits.values())) / (signature.DIGITS - len(digits))
    return np.array([digits.get(d, rest) for d in range(signature.DIGITS)]).round(4)


def _answer(file: str, digits: dict[int, float], score: float, seen: int = 1) -> dict[str, Any]:
    """What the rule makes of an answer, in a picture that seems to show `seen` digits."""
    outputs = {
        signature.PROBABILITIES: _probabilities(digits)[None],
        signature.SCORE: np.array([[score]]),
    }
    [answer] = predictions(outputs, Thresholds(score=0.7, confidence=0.6), seen)
    return result(file, answer)


_SEVEN = {7: 0.9928}
_ACCEPTED = _answer("seven.png", _SEVEN, 0.0031)
_NO_IMAGE = f"not an image, or a broken one: send one of {', '.join(FORMATS)}"
_RESULTS = {
    "accepted": [_ACCEPTED],
    "not sure": [_answer("four-or-nine.png", {4: 0.5, 9: 0.46}, 0.0954)],
    SEVERAL_DIGITS: [_answer("forty-two.png", {4: 0.6512}, 0.4127, seen=2)],
    NOT_A_DIGIT: [_answer("smiley.png", {8: 0.7976}, 0.9712)],
    NO_INK: [_answer("blank.png", {0: 0.1}, 0, seen=0)],
    "one of two files cannot be read": [_ACCEPTED, {"file": "notes.txt", "error": _NO_IMAGE}],
}
_OUTPUT = {
    "name": signature.PROBABILITIES,
    "datatype": FP32,
    "shape": [1, signature.DIGITS],
    "data": _probabilities(_SEVEN).tolist(),
}
# By operation, status and name.
_EXAMPLES: dict[str, dict[str, dict[str, Any]]] = {
    "classify": {
        "200": {name: {"model": NAME, "results": results} for name, results in _RESULTS.items()},
        "4XX": {"the only file cannot be read": {"error": _NO_IMAGE}},
    },
    "infer": {
        "200": {
            "one image, one output": {
                "model_name": NAME,
                "model_version": VERSION,
                "id": "42",
                "outputs": [_OUTPUT],
            }
        },
        "4XX": {
            "a wrong shape": {"error": "images.shape: must be [batch, 28, 28], found [1, 784]"}
        },
    },
}


# The three ways to bring a key; one of them is enough.
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "password": {"type": "http", "scheme": "basic", "description": "any name; the key"},
}


def complete(app: FastAPI, needs_key: bool) -> None:
    """Have the OpenAPI document of `app` show the examples and, if it `needs_key`, say so.

    Afterwards, since FastAPI leaves every null out of its document, and so ``"reason": null``.
    """
    describe = app.openapi

    def described() -> dict[str, Any]:
        document = describe()
        for operations in document["paths"].values():
            for operation in operations.values():
                known = _EXAMPLES.get(operation["operationId"].removesuffix(OF_VERSION), {})
                for status, examples in known.items():
                    content = operation["responses"][status]["content"][_CONTENT]
                    content["examples"] = {
                        name: {"value": value} for name, value in examples.items()
                    }
        if needs_key:
            document["components"]["securitySchemes"] = _SCHEMES
            document["security"] = [{name: []} for name in _SCHEMES]
            for path, operations in document["paths"].items():
                if is_health(path):
                    for operation in operations.values():
                        operation["security"] = []
        return document

    app.openapi = described
