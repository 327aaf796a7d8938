"""Why the network answered so: derivatives, and what it would say without a row or a stroke.

``POST /live/explain?model=NAME`` takes the message of the stream (`serving.page.stream.read_input`)
and answers with a frame (`pack_frame`), whose header is {"sequence", "has_ink", "digit",
"between", "belief_digit", "milliseconds"} and whose tensors are, for d the logit of "digit":

====================== =========== =========================================================
``row_gradient``       (28, 28)    ∂d/∂pixel, pixels scaled to 0..1
``row_influence``      (28,)       Σ ∂d/∂pixel × pixel over a row: d's gain for each share by
                                   which the row's ink grows, for small ones
``erased_rows``        (28, 10)    the answer's probabilities with row t of the image blank
``erased_strokes``     (n, 10)     the same with stroke n not drawn; only where 2 to 20 strokes
                                   have points
``through_time``       (28,)       ‖∂b/∂h_t‖, b the logit of "belief_digit", the digit that
                                   leads in the last belief; h_t the first downward states
``gradient_of_NAME``   (28, units) ∂d/∂state for the states that the network gives as NAME
====================== =========== =========================================================

``POST /live/state.json?model=NAME&output=OUTPUT&row=ROW&unit=UNIT`` takes the same message and
answers with the sum that one state is f of (`serving.page.units.explain_state`).

A blank page has no answer to explain: "digit" and "belief_digit" are null, and no tensor is sent.
Every error is {"error"} with its 4xx code.
"""

import time

import numpy as np
from fastapi import FastAPI, HTTPException, Request, Response

from model import backward, reference, signature
from model.images.strokes import without_each
from model.prediction import Prediction, prepare_drawing
from model.predictor import ModelError, Predictor
from model.weights import Network
from serving.http.errors import broken_model, json_answer
from serving.inference.models import Models
from serving.page.stream import StrokesError, pack_frame, read_input
from serving.page.units import exciting, explain_state, inspect_unit
from serving.page.worker import Worker

PATH = "/live/explain"
UNIT_PATH = "/live/unit.json"
STATE_PATH = "/live/state.json"

ROW_GRADIENT = "row_gradient"
ROW_INFLUENCE = "row_influence"
ERASED_ROWS = "erased_rows"
ERASED_STROKES = "erased_strokes"
THROUGH_TIME = "through_time"
_GRADIENT_OF = "gradient_of_"

MAX_ERASED = 20  # strokes; a digit has five at most


def explain_config(predictor: Predictor) -> dict | None:
    """What the page must know to ask; None where the network's weights cannot be had."""
    try:
        if predictor.weights is None:
            return None
    except ModelError as error:
        broken_model(error)  # into the log: all but the explanation works without them
        return None
    return {
        "path": PATH.lstrip("/"),
        "unitPath": UNIT_PATH.lstrip("/"),
        "statePath": STATE_PATH.lstrip("/"),
        "rowGradient": ROW_GRADIENT,
        "rowInfluence": ROW_INFLUENCE,
        "erasedRows": ERASED_ROWS,
        "erasedStrokes": ERASED_STROKES,
        "throughTime": THROUGH_TIME,
        "states": {
            name: _GRADIENT_OF + name for name in predictor.output_names if signature.layer_of(name)
        },
    }


def explain(message: bytes, predictor: Predictor, network: Network) -> bytes:
    """Answer one message of the page: a drawing in, a frame out; see the module's docstring.

    Args:
        network: the predictor's weights.

    Raises:
        StrokesError: see `read_input`.
    """
    started = time.perf_counter()
    drawing = read_input(message)
    header = {"sequence": drawing.sequence, "has_ink": drawing.has_ink}
    header |= {"digit": None, "between": None, "belief_digit": None}
    tensors: dict[str, np.ndarray] = {}
    if drawing.has_ink:
        answer = predictor.read(drawing.image, drawing.digits)
        digit, states = answer.digit, _states(network, drawing.image, answer)
        leader = int(answer.step_probabilities[-1].argmax())
        header |= {"digit": digit, "between": answer.verdict.between, "belief_digit": leader}
        gradients = backward.answer_gradients(network, states, digit)
        last = backward.belief_gradients(network, states, leader)
        tensors = {
            ROW_GRADIENT: gradients.pixels,
            ROW_INFLUENCE: (gradients.pixels * drawing.image).sum(axis=1) * network.scale,
            THROUGH_TIME: np.linalg.norm(last, axis=1),
            **{_GRADIENT_OF + name: array for name, array in gradients.states.items()},
            **_erased(predictor, drawing.image, drawing.strokes or []),
        }
    header["milliseconds"] = round(1000 * (time.perf_counter() - started), 3)
    return pack_frame(header, tensors)


def _states(network: Network, image: np.ndarray, answer: Prediction) -> dict[str, np.ndarray]:
    """What the backward pass starts from.

    relu's derivative is the same for rounded states. tanh's, 1 - h², has few digits left where
    float32 rounds h near ±1: those states are computed anew, in float64.
    """
    if all(layer.activation == "relu" for layer in network.layers):
        return answer.hidden_states
    outputs = reference.forward(network, image[None])
    return {name: outputs[name][0] for name in answer.hidden_states}


def _erased(
    predictor: Predictor, image: np.ndarray, strokes: list[np.ndarray]
) -> dict[str, np.ndarray]:
    """The answers without each row and, if there are few, each stroke, as one batch."""
    visible = 1 - np.eye(signature.STEPS, dtype=image.dtype)
    images = [*(image * visible[..., None])]
    if 2 <= len(strokes) <= MAX_ERASED:
        images += [prepare_drawing(picture).rows for picture in without_each(strokes)]
    found = predictor.run(np.stack(images), [signature.PROBABILITIES])[signature.PROBABILITIES]
    rows, others = np.split(found, [signature.STEPS])
    return {ERASED_ROWS: rows} | ({ERASED_STROKES: others} if len(others) else {})


def add_explain(app: FastAPI, models: Models) -> None:
    """Add the routes to `app`."""
    worker = Worker("explain")

    def work(message: bytes, model: str | None) -> bytes:
        predictor = models.choose(model)
        return explain(message, predictor, weights_of(predictor))

    @app.post(PATH, include_in_schema=False)
    async def explain_route(request: Request, model: str | None = None) -> Response:
        try:
            frame = await worker.run(work, await request.body(), model)
        except StrokesError as error:
            raise HTTPException(400, str(error)) from error
        return Response(frame, media_type="application/octet-stream")

    @app.get(UNIT_PATH, include_in_schema=False)
    def unit_route(output: str = "", unit: str = "", model: str | None = None) -> Response:
        predictor = models.choose(model)
        network = weights_of(predictor)
        try:
            described = inspect_unit(network, output, unit)
        except LookupError as error:
            raise HTTPException(404, str(error)) from error
        return json_answer(described | {"exciting": exciting(predictor, output, int(unit))})

    @app.post(STATE_PATH, include_in_schema=False)
    async def state_route(
        request: Request,
        output: str = "",
        row: str = "",
        unit: str = "",
        model: str | None = None,
    ) -> Response:
        network = weights_of(models.choose(model))
        try:
            image = read_input(await request.body()).image
            return json_answer(await worker.run(explain_state, network, image, output, row, unit))
        except StrokesError as error:
            raise HTTPException(400, str(error)) from error
        except LookupError as error:
            raise HTTPException(404, str(error)) from error


def weights_of(predictor: Predictor) -> Network:
    """
    Raises:
        HTTPException: 404, it has none.
    """
    if predictor.weights is None:
        raise HTTPException(
            404,
            f"model {predictor.name!r} has no weights beside it to explain it with: "
            "export it again with `python -m model.export`",
        )
    return predictor.weights
