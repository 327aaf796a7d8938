"""An evaluation's figures as PNGs."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from training.evaluation.figures import PREPROCESSED, RAW, WORST
from training.report import write_confusion

Figures = dict[str, Any]
_WAYS = {RAW: "as they are", PREPROCESSED: "as the app reads"}


def write(folder: Path, figures: Figures, images: np.ndarray) -> None:
    """Write all pictures into a folder.

    Args:
        folder: exists.
        figures: of `training.evaluation.figures`.
        images: (count, 28, 28), MNIST's digits that the figures are of.

    Raises:
        OSError: the folder is not writable.
    """
    mnist = figures["mnist"]
    title = f"{mnist['wrong']} of {mnist['count']:,} wrong"
    write_confusion(folder / "confusion.png", np.array(mnist["confusion"]), title)
    _save(worst(mnist["worst"], images), folder / "worst.png")
    _save(belief(mnist), folder / "belief.png")
    _save(calibration(figures), folder / "calibration.png")
    _save(corruptions(figures["corruptions"]), folder / "corruptions.png")
    _save(curves(figures["curves"]), folder / "curves.png")


def worst(errors: list[Figures], images: np.ndarray) -> Figure:
    """The digits, each with its label, the answer and how sure that was."""
    side = int(np.ceil(np.sqrt(WORST)))
    figure = Figure((1.35 * side, 1.5 * side), layout="constrained")
    figure.suptitle("Surest errors: label → answer" if errors else "No errors")
    places = figure.subplots(side, side).ravel()
    for axes in places:
        axes.axis("off")
    for axes, error in zip(places, errors, strict=False):
        axes.imshow(images[error["index"]], cmap="gray_r", vmin=0, vmax=255)
        confidence = f"{error['confidence_percent']:.0f} %"
        axes.set_title(f"{error['label']} → {error['answer']}, {confidence}", fontsize=9)
    return figure


def belief(mnist: Figures) -> Figure:
    """What the downward reader has right, and its calibration, by row."""
    figure = Figure((7, 4), layout="constrained")
    axes = figure.subplots()
    rows = np.arange(1, 29)
    right = 100 - np.array(mnist["belief_error_percent_by_row"])
    axes.plot(rows, right, marker=".", label="right")
    gap = mnist["belief_calibration_error_percent_by_row"]
    axes.plot(rows, gap, marker=".", label="calibration error")
    axes.set(xlabel="rows read", ylabel="%", title="The downward reader's belief", ylim=(0, 100))
    axes.legend()
    return figure


def calibration(figures: Figures) -> Figure:
    """Accuracy over confidence; a bin's dot is as large as its share of the answers."""
    figure = Figure((5.5, 5.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", lw=1)
    groups = {"MNIST": figures["mnist"]}
    if "pens" in figures:
        groups["pen digits"] = figures["pens"]["styles"]["normal"]
    for name, group in groups.items():
        seen = {key: np.array(values) for key, values in group["reliability"].items()}
        filled = seen["share"] > 0
        sizes = 20 + 300 * seen["share"][filled]
        label = f"{name}, calibration error {group['calibration_error_percent']:.2f} %"
        x, y = seen["confidence"][filled], seen["accuracy"][filled]
        axes.scatter(x, y, sizes, alpha=0.6, label=label)
    axes.set(xlabel="confidence", ylabel="share of right answers", title="Calibration")
    axes.legend(loc="lower right")
    return figure


def corruptions(part: Figures) -> Figure:
    """One pair of bars a corruption."""
    figure = Figure((8, 6), layout="constrained")
    axes = figure.subplots()
    each = part["error_percent"]
    places = np.arange(len(each))
    for way, offset in ((RAW, -0.2), (PREPROCESSED, 0.2)):
        mean = part["mean_error_percent"][way]
        values = [errors[way] for errors in each.values()]
        axes.barh(places + offset, values, 0.4, label=f"{_WAYS[way]}, mean {mean:.1f} %")
    axes.invert_yaxis()
    axes.set_yticks(places, [name.replace("_", " ") for name in each])
    axes.set(xlabel="% wrong", title=f"Corrupted digits, {part['count']:,} of MNIST each")
    axes.legend()
    return figure


def curves(part: Figures) -> Figure:
    """Error over shift, rotation and brush, side by side."""
    figure = Figure((4 * len(part), 3.8), layout="constrained")
    for axes, (name, curve) in zip(figure.subplots(1, len(part)), part.items(), strict=True):
        for way, errors in curve["error_percent"].items():
            axes.plot(curve["at"], errors, marker=".", label=_WAYS[way])
        title = f"{name.capitalize()}, {curve['count']:,} digits"
        axes.set(xlabel=curve["unit"], ylabel="% wrong", title=title)
        axes.set_ylim(bottom=0)
        axes.legend()
    return figure


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=120)
