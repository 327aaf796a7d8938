"""Pictures hold the figures they were given."""

import numpy as np
import pytest

from training.evaluation import plots

RELIABILITY = {"share": [0.25, 0, 0.75], "confidence": [0.2, 0, 0.9], "accuracy": [0.1, 0, 1]}
GROUP = {"calibration_error_percent": 1.25, "reliability": RELIABILITY}
MNIST = {
    **GROUP,
    "count": 100,
    "wrong": 2,
    "confusion": (np.eye(10, dtype=int) * 5).tolist(),
    "belief_error_percent_by_row": np.linspace(90, 2, 28).tolist(),
    "belief_calibration_error_percent_by_row": np.linspace(20, 1, 28).tolist(),
    "worst": [
        {"index": 7, "label": 4, "answer": 9, "confidence_percent": 99.6},
        {"index": 3, "label": 1, "answer": 7, "confidence_percent": 51.2},
    ],
}
FIGURES = {
    "mnist": MNIST,
    "pens": {"styles": {"normal": {**GROUP, "calibration_error_percent": 2.5}}},
    "corruptions": {
        "count": 20,
        "error_percent": {
            "fog": {"raw": 80, "preprocessed": 2},
            "shot_noise": {"raw": 4, "preprocessed": 3},
        },
        "mean_error_percent": {"raw": 42, "preprocessed": 2.5},
    },
    "curves": {
        name: {"unit": "pixels", "at": [0, 1, 2], "count": 9, "error_percent": errors}
        for name, errors in {
            "shift": {"raw": [1, 2, 3], "preprocessed": [1, 1, 2]},
            "brush": {"preprocessed": [4, 2, 5]},
        }.items()
    },
}
IMAGES = np.random.default_rng(0).integers(0, 256, (10, 28, 28), np.uint8)


@pytest.mark.parametrize("parts", [set(), {"pens"}])
def test_all_are_written(parts, tmp_path):
    figures = {name: part for name, part in FIGURES.items() if name not in parts}
    plots.write(tmp_path, figures, IMAGES)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        f"{name}.png"
        for name in ("belief", "calibration", "confusion", "corruptions", "curves", "worst")
    ]
    for path in tmp_path.iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")


def test_worst_errors():
    figure = plots.worst(MNIST["worst"], IMAGES)
    first, second = (axes for axes in figure.axes if axes.images)
    np.testing.assert_array_equal(first.images[0].get_array(), IMAGES[7])
    np.testing.assert_array_equal(second.images[0].get_array(), IMAGES[3])
    assert (first.get_title(), second.get_title()) == ("4 → 9, 100 %", "1 → 7, 51 %")


def test_no_errors():
    figure = plots.worst([], IMAGES)
    assert figure.get_suptitle() == "No errors"
    assert not any(axes.images for axes in figure.axes)


def test_belief():
    right, gap = plots.belief(MNIST).axes[0].lines
    np.testing.assert_allclose(right.get_ydata(), np.linspace(10, 98, 28))
    np.testing.assert_allclose(gap.get_ydata(), np.linspace(20, 1, 28))
    np.testing.assert_array_equal(right.get_xdata(), range(1, 29))


def test_calibration_leaves_empty_bins_out():
    mnist, pens = plots.calibration(FIGURES).axes[0].collections
    for dots in (mnist, pens):
        np.testing.assert_allclose(dots.get_offsets(), [[0.2, 0.1], [0.9, 1]])
    small, large = mnist.get_sizes()
    assert small < large
    assert "1.25 %" in mnist.get_label()
    assert "2.50 %" in pens.get_label()


def test_corruptions():
    (axes,) = plots.corruptions(FIGURES["corruptions"]).axes
    assert [bar.get_width() for bar in axes.patches] == [80, 4, 2, 3]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["fog", "shot noise"]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["as they are, mean 42.0 %", "through preprocess, mean 2.5 %"]


def test_curves():
    shift, brush = plots.curves(FIGURES["curves"]).axes
    drawn = [line.get_ydata().tolist() for axes in (shift, brush) for line in axes.lines]
    assert drawn == [[1, 2, 3], [1, 1, 2], [4, 2, 5]]
    assert shift.lines[0].get_xdata().tolist() == [0, 1, 2]
