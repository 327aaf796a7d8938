"""The thresholds of a card, and the app's own rule applied to many answers at once."""

import json

import numpy as np
import pytest
from training.rejection import Thresholds

from model import verdict
from model.signature import PROBABILITIES, SCORE
from training.errors import TrainingError


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (None, Thresholds()),
        ({"name": "scanline"}, Thresholds()),
        ({"thresholds": {"confidence": 0.5}}, Thresholds(confidence=0.5)),
        ({"thresholds": {"score": 1, "confidence": 0}}, Thresholds(1, 0)),
    ],
)
def test_read_from_the_card_beside_the_network(card, expected, tmp_path):
    if card is not None:
        (tmp_path / "card.json").write_text(json.dumps(card))
    assert Thresholds.beside(tmp_path / "scanline.onnx") == expected


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        '{"thresholds": 3}',
        '{"thresholds": {"score": "high"}}',
        '{"thresholds": {"score": 2}}',
        '{"thresholds": {"score": NaN}}',
        '{"thresholds": {"skore": 0.5}}',
    ],
)
def test_a_card_that_cannot_be_used_is_refused(text, tmp_path):
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(TrainingError, match=r"card\.json.*thresholds"):
        Thresholds.beside(tmp_path / "scanline.onnx")


@pytest.mark.parametrize("has_score", [True, False])
@pytest.mark.parametrize(
    "thresholds",
    [Thresholds(), Thresholds(score=0.5), Thresholds(confidence=0.4), Thresholds(0.5, 0.4)],
)
def test_rejects_what_the_app_rejects(thresholds, has_score):
    rng = np.random.default_rng(0)
    outputs = {PROBABILITIES: rng.dirichlet([0.3] * 10, 200)}
    if has_score:
        outputs[SCORE] = rng.random((200, 1))
        outputs[SCORE][0] = 0.5  # not above
    in_app = verdict.Thresholds(thresholds.score, thresholds.confidence)
    expected = [
        verdict.judge(
            outputs[PROBABILITIES][i],
            float(outputs[SCORE][i, 0]) if has_score else None,
            in_app,
        ).rejected
        for i in range(200)
    ]
    np.testing.assert_array_equal(thresholds.reject(outputs), expected)
