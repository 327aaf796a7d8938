"""The numbers of the page's Lab: each exercise of the sheet, on numbers, on a drawing, recorded.

============================================ ==================================================
``GET /lab/PANEL.json?W=0.9&x=0.5,-1``       what ``python -m model.lab PANEL`` prints
``POST /lab/drawing/PANEL.json?c=1``         what it prints with ``--drawing``; the body is the
                                             stream's message (`serving.page.stream.read_input`)
``GET /lab/recorded/NAME.json``              a file of ``model/lab/recorded/``
============================================ ==================================================

Every error is {"error"} with its 4xx code.
"""

from collections.abc import Mapping
from pathlib import Path as File
from typing import Annotated

from fastapi import FastAPI, HTTPException, Path, Request, Response

from model import lab
from model.lab.drawing import Drawing
from model.lab.panels import PANELS, UnknownPanelError, answer, parameters
from model.weights import Network
from serving.inference.models import Models
from serving.page.explain import weights_of
from serving.page.stream import StrokesError, read_input
from serving.page.worker import Worker

RECORDED = File(lab.__file__).with_name("recorded")


def _query() -> list[dict]:
    """What the panels can be asked for, for the OpenAPI document."""
    asked = {panel: parameters(function) for panel, function in PANELS.items()}
    return [
        {
            "name": name,
            "in": "query",
            "schema": {"type": "string"},
            "description": "of " + ", ".join(panel for panel in asked if name in asked[panel]),
        }
        for name in sorted(set().union(*asked.values()))
    ]


def add_lab(app: FastAPI, models: Models) -> None:
    """Add the three routes to `app`."""
    worker = Worker("lab")

    @app.get(
        "/lab/{panel}.json",
        summary="Compute an exercise of the sheet",
        tags=["the Lab"],
        name="lab",
        openapi_extra={"parameters": _query()},
    )
    async def panel_route(
        panel: Annotated[str, Path(json_schema_extra={"enum": [*PANELS]})], request: Request
    ) -> Response:
        """Numbers of one exercise in float64, as `python -m model.lab PANEL` prints them.

        Parameters are written as there, lists as `0.5,-1`, lists of lists as `3,4;0.6,0.8`; what
        is left out has the sheet's value.
        """
        return await answered(panel, request)

    @app.post("/lab/drawing/{panel}.json", include_in_schema=False)
    async def drawing_route(panel: str, request: Request) -> Response:
        try:
            seen = read_input(await request.body())
        except StrokesError as error:
            raise HTTPException(400, str(error)) from error
        if not seen.has_ink:
            raise HTTPException(400, "there is no ink: draw a digit first")
        return await answered(panel, request, Drawing(seen.image, network, seen.strokes))

    @app.get("/lab/recorded/{name}.json", include_in_schema=False)
    def recorded_route(name: str) -> Response:
        files = {file.stem: file for file in sorted(RECORDED.glob("*.json"))}
        if name not in files:
            known = ", ".join(files) or "none"
            raise HTTPException(404, f"nothing recorded as {name[:40]!r}: there is {known}")
        return Response(files[name].read_bytes(), media_type="application/json")

    def network(name: str) -> Network:
        if name not in models:
            raise HTTPException(
                404, f"{name!r} is not served here: start with --model model/release as well"
            )
        return weights_of(models[name])

    async def answered(panel: str, request: Request, drawing: Drawing | None = None) -> Response:
        texts = _once(request)
        try:
            text = await worker.run(answer, panel, texts, drawing)
        except UnknownPanelError as error:
            raise HTTPException(404, str(error)) from error
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        return Response(text, media_type="application/json")


def _once(request: Request) -> Mapping[str, str]:
    """
    Raises:
        HTTPException: 400, a parameter is given twice.
    """
    texts: dict[str, str] = {}
    for name, text in request.query_params.multi_items():
        if name in texts:
            raise HTTPException(400, f"{name[:40]} is given twice")
        texts[name] = text
    return texts
