"""Pictures hold the figures they were given."""

import numpy as np

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


def test_all_are_written_with_and_without_pen_digits(tmp_path):
    for figures in (FIGURES, {k: part for k, part in FIGURES.items() if k != "pens"}):
        plots.write(tmp_path, figures, IMAGES)
    names = ("belief", "calibration", "confusion", "corruptions", "curves", "worst")
    assert sorted(path.stem for path in tmp_path.glob("*.png")) == list(names)


def test_worst_errors_and_none():
    first, second = (axes for axes in plots.worst(MNIST["worst"], IMAGES).axes if axes.images)
    for axes, index, title in ((first, 7, "4 → 9, 100 %"), (second, 3, "1 → 7, 51 %")):
        np.testing.assert_array_equal(axes.images[0].get_array(), IMAGES[index])
        assert axes.get_title() == title
    assert plots.worst([], IMAGES).get_suptitle() == "No errors"


def test_lines_bars_and_dots_are_the_figures():
    right, gap = plots.belief(MNIST).axes[0].lines
    np.testing.assert_allclose(right.get_ydata(), np.linspace(10, 98, 28))
    np.testing.assert_allclose(gap.get_ydata(), np.linspace(20, 1, 28))
    for dots in plots.calibration(FIGURES).axes[0].collections:  # without the empty bin
        np.testing.assert_allclose(dots.get_offsets(), [[0.2, 0.1], [0.9, 1]])
    (bars,) = plots.corruptions(FIGURES["corruptions"]).axes
    assert [bar.get_width() for bar in bars.patches] == [80, 4, 2, 3]
    drawn = [
        (line.get_xdata().tolist(), line.get_ydata().tolist())
        for axes in plots.curves(FIGURES["curves"]).axes
        for line in axes.lines
    ]
    assert drawn == [([0, 1, 2], errors) for errors in ([1, 2, 3], [1, 1, 2], [4, 2, 5])]
