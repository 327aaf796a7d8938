"""A run's figures as pictures, CSV and TensorBoard logs."""

import csv
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no screen needed

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure


def write_csv(path: Path, history: list[dict[str, Any]]) -> None:
    """One line an epoch."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)


def write_curves(path: Path, history: list[dict[str, Any]]) -> None:
    """Loss and errors by epoch."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    epochs = [row["epoch"] for row in history]
    left.plot(epochs, [row["loss"] for row in history], label="training (all three terms)")
    left.plot(epochs, [row["validation_loss"] for row in history], label="validation (answer)")
    left.set(xlabel="epoch", ylabel="cross-entropy, nats", title="Loss", yscale="log")
    for name, label in (
        ("validation_error_percent", "answer"),
        ("validation_belief_error_percent", "downward reader after the last row"),
    ):
        right.plot(epochs, [row[name] for row in history], label=label)
    right.set(xlabel="epoch", ylabel="% wrong", title="Validation error", yscale="log")
    left.legend()
    right.legend()
    _save(figure, path)


def write_gradient_norm(
    path: Path, norms: np.ndarray, largest: np.ndarray, clip: float | None, clip_is_global: bool
) -> None:
    """Gradient norm at each optimizer step before clipping, and where clipping cut in.

    Args:
        norms: (steps,), of the whole gradient.
        largest: (steps,), of the variable whose gradient is largest.
        clip: the bar, if any; it applies to `norms` if `clip_is_global`, else to each variable.
    """
    figure, axes = plt.subplots(figsize=(9, 4), layout="constrained")
    axes.plot(norms, lw=0.4, label="whole gradient")
    axes.plot(largest, lw=0.4, label="largest variable")
    if clip is not None:
        clipped = (norms if clip_is_global else largest) > clip
        name = "global_clipnorm" if clip_is_global else "clipnorm, each variable"
        label = f"{name} = {clip:g}, cut in at {100 * clipped.mean():.0f} % of steps"
        axes.axhline(clip, color="black", ls="--", lw=1, label=label)
    axes.set(xlabel="step", ylabel="norm before clipping", title="Gradient norm", yscale="log")
    for line in axes.legend(loc="upper right").get_lines():
        line.set_linewidth(1.5)
    _save(figure, path)


def write_confusion(path: Path, confusion: np.ndarray, title: str) -> None:
    """(10, 10) counts by label and answer; the colour shows the wrong ones only."""
    wrong = confusion - np.diag(confusion.diagonal())
    figure, axes = plt.subplots(figsize=(6, 5.5), layout="constrained")
    axes.imshow(wrong, cmap="Oranges")
    dark = wrong.max() / 2
    for (label, answer), count in np.ndenumerate(confusion):
        colour = "white" if wrong[label, answer] > dark > 0 else "black"
        axes.text(answer, label, count or "", ha="center", va="center", color=colour, fontsize=8)
    digits = range(len(confusion))
    axes.set(xlabel="answer", ylabel="label", title=title, xticks=digits, yticks=digits)
    _save(figure, path)


class TensorBoard:
    """Scalars by epoch for ``tensorboard --logdir runs`` (the writer needs no TensorFlow)."""

    def __init__(self, folder: Path):
        from tensorboard.summary import Writer

        self._writer = Writer(str(folder))

    def write(self, row: dict[str, Any]) -> None:
        for name, value in row.items():
            if name != "epoch":
                self._writer.add_scalar(name, value, row["epoch"])
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=120)
    plt.close(figure)
