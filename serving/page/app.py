"""The page: Gradio around the live view in ``live/``, and the same network as a Gradio API.

Gradio gives the frame (page, theme, API documentation); the drawing and the pictures are
our own canvases, because `gr.Sketchpad` reports only when the pen is lifted. What they
show arrives through `serving.page.stream`.
"""

import base64
import io
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from PIL import Image
from starlette.responses import Response

# Gradio reads both while it is imported: without them it calls home.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import gradio as gr

from model import signature
from model.images.files import PictureError
from model.images.preprocess import preprocess
from model.images.strokes import BRUSH, render
from model.predictor import Predictor
from serving.classify import File, classify
from serving.inference.models import Models
from serving.page import stream, units
from serving.page.explain import add_explain, explain_config
from serving.page.frame import API, check_calls, close_unused
from serving.page.live_route import add_stream
from serving.page.photo import add_picture_route, picture_config
from serving.settings import Settings

STATIC = Path(__file__).parent / "static"
QUEUE = 16  # calls of Gradio's API that wait, each with its picture; others are told 503
OPENING_DIGIT = 3  # drawn when the page opens: its belief changes on the way down

_FONT = ["system-ui", "sans-serif"]
_FONT_MONO = ["ui-monospace", "monospace"]
# In the order of their names, whatever folder they are in.
_STYLES = sorted(STATIC.rglob("*.css"), key=lambda path: path.name)
_HEAD = "\n".join(
    [
        *(
            f'<link rel="stylesheet" href="live/{path.relative_to(STATIC).as_posix()}">'
            for path in _STYLES
        ),
        '<link rel="modulepreload" href="live/core/main.js">',
    ]
)
_START = """
import(new URL("live/core/main.js", document.baseURI).href)
    .then((page) => page.start(element.querySelector(".scanline")));
"""


class LiveFiles(StaticFiles):
    """The page's own files: any proxy or browser may keep them but asks before using them."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        # What Windows' registry says about .js varies, and a module needs the right type.
        if str(args[0]).endswith(".js"):
            response.headers["Content-Type"] = "text/javascript; charset=utf-8"
        return response


def templates() -> dict[str, list]:
    """Our own strokes for the ten digits: {"0": [[[x, y], ...], ...], ...}, unit square."""
    return json.loads((STATIC / "drawing" / "digits.json").read_text())


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
    strokes = templates()
    means = units.read_templates(predictor, strokes)
    layers: dict[int, dict] = {}
    for name, states in means.items():
        direction, number = signature.layer_of(name)
        reader = {
            "name": name,
            "units": states.shape[-1],
            "groups": units.group_units(states),
        }
        layers.setdefault(number, {"number": number, "forward": None, "backward": None})
        layers[number][direction] = reader
    lowest = min(states.min() for states in means.values())
    highest = max(states.max() for states in means.values())
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
        "explain": explain_config(predictor),
        "thresholds": asdict(predictor.thresholds),
        "picture": picture_config(),
        "layers": [layers[number] for number in sorted(layers)],
        "range": [-1, 1] if -1 <= lowest < 0 and highest <= 1 else None,
        "opening": strokes[str(OPENING_DIGIT)],
    }


def theme() -> gr.themes.Base:
    """Plain, on the page's own background, and with the reader's own fonts: nothing is fetched."""
    return gr.themes.Base(font=_FONT, font_mono=_FONT_MONO).set(
        body_background_fill="#faf9f5",
        body_background_fill_dark="#101216",
        body_text_color_subdued="#5a5e69",  # the footer's; theme.css's --quiet
        body_text_color_subdued_dark="#a2a7b3",
    )


def classifier(predictor: Predictor, max_pixels: int) -> Callable[[str], dict]:
    """The function behind Gradio's API; its signature and docstring are what users see."""

    def read_image(image: str) -> dict:
        """Read one digit.

        Takes an image file (PNG, JPEG, ...) in base64, with or without "data:...;base64,"
        before it. Gives what POST /classify gives: digit, confidence, probabilities,
        score (how sure the network is that this is no digit), and whether the image is
        rejected, with the reason: "no ink", "more than one digit", "not a digit", or
        "not sure: 4 or 9". A rejected image has its best digit all the same.
        """
        try:
            data = base64.b64decode(image.rpartition(",")[2], validate=True)
        except (ValueError, AttributeError) as error:
            raise _refusal(f"image must be a file in base64: {error}") from error
        [result] = classify([File(None, data)], predictor, max_pixels)
        if isinstance(result, PictureError):
            raise _refusal(str(result)) from result
        return result

    return read_image


def _refusal(message: str) -> gr.Error:
    return gr.Error(message, print_exception=False)  # the caller's mistake, not the server's


def example_image() -> str:
    """A digit as a PNG file in base64, for the API's documentation."""
    strokes = [np.array(stroke) for stroke in templates()[str(OPENING_DIGIT)]]
    picture = Image.fromarray(preprocess(render(strokes)).image.astype(np.uint8))
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def blocks(predictor: Predictor, max_pixels: int) -> gr.Blocks:
    """The page as Gradio Blocks, with `/classify` in Gradio's own API."""
    with gr.Blocks(
        title="Scanline: watch a network read", fill_width=True, analytics_enabled=False
    ) as page:
        gr.HTML(
            html_template=(STATIC / "view.html").read_text(),
            js_on_load=_START,
            apply_default_css=False,
        )
        api = gr.api(classifier(predictor, max_pixels), api_name=API)
    # As a default value in the signature it would stand in for a forgotten image.
    [image] = page.fns[api["id"]].inputs
    image.example_payload = example_image
    page.queue(max_size=QUEUE, default_concurrency_limit=1)  # one picture in memory at a time
    check_calls(page)
    return page


def mount(app: FastAPI, models: Models, settings: Settings) -> FastAPI:
    """Put the page at ``/`` of `app`, its stream at ``/live`` and its files below that.

    Call it last: Gradio then answers every path that no route of `app` has taken.
    """
    config = cache(page_config)  # on first use: the server starts sooner
    offered = [summary(name, card) for name, card in models.cards.items()]

    @app.get("/live/config.json", include_in_schema=False)
    def live_config(model: str | None = None) -> dict:
        return config(models.choose(model)) | {"models": offered}

    add_stream(app, models, settings.max_live)
    add_explain(app, models)
    add_picture_route(app, settings.max_pixels)
    app.mount("/live", LiveFiles(directory=STATIC))
    gr.mount_gradio_app(
        app,
        blocks(models.default, settings.max_pixels),
        path="/",
        server_name=settings.host,
        server_port=settings.port,
        footer_links=["api"],
        theme=theme(),
        head=_HEAD,
        ssr_mode=False,
        allowed_paths=[],
        max_file_size=settings.max_body_bytes,
    )
    close_unused(app.routes[-1].app)
    return app
