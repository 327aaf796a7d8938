"""Pictures and logs hold the figures they were given."""

import csv

import numpy as np
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training import report

HISTORY = [
    {
        "epoch": epoch,
        "loss": 1 / epoch,
        "validation_loss": 0.5 / epoch,
        "validation_error_percent": 10 / epoch,
        "validation_belief_error_percent": 20 / epoch,
    }
    for epoch in (1, 2, 3)
]


def test_csv(tmp_path):
    report.write_csv(tmp_path / "metrics.csv", HISTORY)
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["validation_error_percent"]) for row in rows] == [10, 5, 10 / 3]


def test_tensorboard(tmp_path):
    writer = report.TensorBoard(tmp_path)
    for row in HISTORY:
        writer.write(row)
    writer.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    tensors = events.Tensors("loss")
    assert [event.step for event in tensors] == [1, 2, 3]
    values = [event.tensor_proto.float_val[0] for event in tensors]
    np.testing.assert_allclose(values, [1, 1 / 2, 1 / 3], rtol=1e-6)


def test_pictures_are_written_and_name_the_share_of_clipped_steps(tmp_path, monkeypatch):
    figures = {}
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, path, **_: figures.setdefault(path.stem, figure)
    )
    norms, largest = np.array([3.0, 0.5, 2.0, 0.1]), np.array([2.0, 0.4, 0.9, 0.1])
    report.write_curves(tmp_path / "curves.png", HISTORY)
    report.write_gradient_norm(tmp_path / "each.png", norms, largest, 1.0, clip_is_global=False)
    report.write_gradient_norm(tmp_path / "whole.png", norms, largest, 1.0, clip_is_global=True)
    report.write_confusion(tmp_path / "confusion.png", np.eye(10, dtype=int) * 5, "title")
    errors = figures["curves"].axes[1].lines[0]
    np.testing.assert_allclose(errors.get_ydata(), [10, 5, 10 / 3])
    for name, share in (("each", "25 % of steps"), ("whole", "50 % of steps")):
        assert share in figures[name].axes[0].lines[-1].get_label()
    assert [text.get_text() for text in figures["confusion"].axes[0].texts].count("5") == 10
