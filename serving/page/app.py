"""The page: its files, what it must know of the network, and its routes.

The drawing and the pictures are our own canvases, because `gr.Sketchpad` reports only when the
pen is lifted. What they show arrives through `serving.page.stream`.
"""

from concurrent.futures import Executor
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import Headers
from starlette.responses import Response

from model import signature
from model.images.strokes import BRUSH
from model.predictor import Predictor
from serving.http.auth import OriginGuard
from serving.inference.models import Models
from serving.page import stream, units
from serving.page.bundle import PATH, Bundle
from serving.page.explain import add_explain, explain_config
from serving.page.gradio_routes import mount_gradio
from serving.page.lab import add_lab
from serving.page.photo import add_picture_route, picture_config
from serving.settings import Settings

STATIC = Path(__file__).parent / "static"
OPENING_DIGIT = 3  # drawn when the page opens: its belief changes on the way down


class LiveFiles(StaticFiles):
    """The page's own files: any proxy or browser may keep them but asks before using them."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        # What Windows' registry says about .js varies, and a module needs the right type.
        if str(args[0]).endswith(".js"):
            response.headers["Content-Type"] = "text/javascript; charset=utf-8"
        return response


def summary(name: str, card: dict[str, Any]) -> dict:
    """Name of a network and what its card says in short; null what the card lacks."""
    test = card.get("test")
    return {
        "name": name,
        "preset": card.get("preset"),
        "parameters": card.get("parameters"),
        "testErrorPercent": test.get("error_percent") if isinstance(test, dict) else None,
        "description": card.get("description"),
    }


def page_config(predictor: Predictor) -> dict:
    """Everything that the page must know before the first drawing, as JSON.

    ``layers`` lists for each layer the downward and, if there is one, the upward reader,
    with its output's name and its units in groups (`serving.page.units`). ``range`` is [-1, 1]
    where states are bounded, else null: the page then scales by what it shows.
    """
    images, digits = units.examples()
    names = [name for name in predictor.output_names if signature.layer_of(name)]
    states = predictor.run(images, names)
    explained = explain_config(predictor)
    effects = units.effects(predictor.weights, states, digits) if explained else {}
    layers: dict[int, dict] = {}
    for name, of in states.items():
        direction, number = signature.layer_of(name)
        count = of.shape[-1]
        reader = {
            "name": name,
            "units": count,
            "groups": units.group_units(effects.get(name, np.zeros((signature.DIGITS, count)))),
        }
        layers.setdefault(number, {"number": number, "forward": None, "backward": None})
        layers[number][direction] = reader
    lowest = min(of.min() for of in states.values())
    highest = max(of.max() for of in states.values())
    return {
        "model": summary(predictor.name, predictor.card),
        "steps": signature.STEPS,
        "pixels": signature.PIXELS,
        "white": signature.WHITE,
        "brush": BRUSH,
        "limits": {
            "points": stream.MAX_POINTS,
            "strokes": stream.MAX_STROKES,
            "length": stream.MAX_LENGTH,
        },
        "stream": stream.PATH.lstrip("/"),
        "input": signature.IMAGES,
        "outputs": {
            "image": stream.IMAGE,
            "answer": signature.PROBABILITIES,
            "belief": signature.STEP_PROBABILITIES,
            "score": signature.SCORE if signature.SCORE in predictor.output_names else None,
        },
        "explain": explained,
        "thresholds": asdict(predictor.thresholds),
        "picture": picture_config(),
        "layers": [layers[number] for number in sorted(layers)],
        "range": [-1, 1] if -1 <= lowest < 0 and highest <= 1 else None,
        "opening": units.templates()[str(OPENING_DIGIT)],
    }


def mount(app: FastAPI, models: Models, settings: Settings, pool: Executor) -> None:
    """Put the page at ``/`` of `app`, its stream at ``/live`` and its files below that.

    `pool` prepares pictures.

    Call it last: Gradio then answers every path that no route of `app` has taken.
    """
    config = cache(page_config)  # on first use: the server starts sooner
    offered = [summary(name, card) for name, card in models.cards.items()]
    guard = OriginGuard(app, settings.cors_origins)

    @app.get("/live/config.json", include_in_schema=False)
    def live_config(request: Request, model: str | None = None, origin: str = "") -> dict:
        """`origin` is the page's: it is told whether its stream is let in, since a browser says
        nothing of an answer that refuses a WebSocket."""
        names = ("host", "x-forwarded-host")
        headers = [(b"origin", origin.encode())] if origin else []
        headers += [(name, value) for name, value in request.headers.raw if name.decode() in names]
        more = {"models": offered, "admitted": guard.admits(Headers(raw=headers))}
        return config(models.choose(model)) | more

    stream.add_stream(app, models, settings.max_live)
    add_explain(app, models)
    add_lab(app, models)
    add_picture_route(app, settings.max_pixels, models.default, pool)
    bundle = Bundle(STATIC)
    app.add_api_route(f"/{PATH}{{name}}", bundle.file, include_in_schema=False)
    app.mount("/live", LiveFiles(directory=STATIC))
    mount_gradio(app, bundle.page, models.default, settings)
