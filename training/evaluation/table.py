"""An evaluation's figures as one table to read."""

from typing import Any

from model.signature import STEPS
from training.evaluation.figures import PREPROCESSED, RAW, SURE

_ROWS = (4, 8, 12, 15, 18, 22, STEPS)  # of the downward belief
_OF_EACH = ["95 % interval", "calibration error", "rejected"]
_NAMES = 34  # characters of the first column
Figures = dict[str, Any]


def to_table(figures: Figures) -> str:
    """The figures of `training.evaluate` in sections, with their sizes and what is missing."""
    mnist = figures["mnist"]
    head = (
        f"{figures['model']} on MNIST's {figures['split']} digits, seed {figures['seed']}. "
        "All figures but AUROC are in %."
    )
    if figures["split"] == "test":
        head += "\nThe test set was read."
    parts = [head, _digits(mnist), _belief(mnist)]
    if "pens" in figures:
        parts.append(_pens(figures["pens"]))
    if "fonts" in figures:
        parts.append(_fonts(figures["fonts"]))
    parts.append(_letterforms(figures["letterforms"]))
    if "scanned" in figures:
        title = f"Scanned 8 x 8, {figures['scanned']['count']:,} digits, other writers"
        rows = {"optdigits": _cells(figures["scanned"], right=True)}
        parts.append(_section(title, ["right", *_OF_EACH], rows))
    parts += [_corruptions(figures["corruptions"]), _curves(figures["curves"])]
    parts.append(_no_digits(figures["no_digits"]))
    if figures["left_out"]:
        parts.append("Left out: " + "; ".join(figures["left_out"]) + ".")
    return "\n\n".join(parts)


def _digits(mnist: Figures) -> str:
    columns = ["wrong", *_OF_EACH]
    return _section(f"MNIST, {mnist['count']:,} digits", columns, {"as they are": _cells(mnist)})


def _belief(mnist: Figures) -> str:
    wrong = mnist["belief_error_percent_by_row"]
    gap = mnist["belief_calibration_error_percent_by_row"]
    rows = {
        "right": [f"{100 - wrong[row - 1]:.1f}" for row in _ROWS],
        "calibration error": [f"{gap[row - 1]:.1f}" for row in _ROWS],
    }
    return _section("The downward reader's belief", [f"row {row}" for row in _ROWS], rows)


def _pens(pens: Figures) -> str:
    columns = ["right", *_OF_EACH]
    rows = {name: _cells(style, right=True) for name, style in pens["styles"].items()}
    mean = 100 - pens["mean_error_percent_not_normal"]
    rows["mean of all but normal"] = [f"{mean:.2f}"]
    title = f"Pen, {pens['count']:,} digits, {len(pens['writers'])} writers"
    return _section(title, columns, rows)


def _fonts(fonts: Figures) -> str:
    title = f"Fonts, {fonts['count']:,} digits, {len(fonts['versions'])} hands"
    return _section(title, ["right", *_OF_EACH], {"held-out hands": _cells(fonts, right=True)})


def _letterforms(forms: Figures) -> str:
    count = next(iter(forms.values()))["count"]
    rows = {form: _cells(figures, right=True) for form, figures in forms.items()}
    return _section(f"Letterforms, {count:,} digits each", ["right", *_OF_EACH], rows)


def _cells(group: Figures, right: bool = False) -> list[str]:
    """Share wrong, or `right`; its interval, calibration error, share rejected."""
    error, (low, high) = group["error_percent"], group["interval_95_percent"]
    if right:
        error, low, high = 100 - error, 100 - high, 100 - low
    calibration, rejected = group["calibration_error_percent"], group["rejected_percent"]
    return [f"{error:.2f}", f"{low:.2f} to {high:.2f}", f"{calibration:.2f}", _if_any(rejected, 2)]


def _corruptions(part: Figures) -> str:
    rows = {
        name.replace("_", " "): [f"{errors[way]:.1f}" for way in (RAW, PREPROCESSED)]
        for name, errors in part["error_percent"].items()
    }
    rows[f"mean of {len(rows)}"] = [
        f"{part['mean_error_percent'][way]:.2f}" for way in (RAW, PREPROCESSED)
    ]
    title = f"Corruptions, {part['count']:,} MNIST digits each"
    return _section(title, ["wrong as they are", "as the app reads"], rows)


def _curves(curves: Figures) -> str:
    ways = {RAW: "wrong as they are", PREPROCESSED: "wrong as the app reads"}
    sections = []
    for name, curve in curves.items():
        title = f"{name.capitalize()}, {curve['unit']}, {curve['count']:,} digits"
        rows = {
            ways[way]: [f"{error:.1f}" for error in errors]
            for way, errors in curve["error_percent"].items()
        }
        sections.append(_section(title, [str(at) for at in curve["at"]], rows))
    return "\n\n".join(sections)


def _no_digits(groups: Figures) -> str:
    columns = ["count", "AUROC of score", "of confidence", "rejected"]
    columns.append(f"> {100 * SURE:.0f} % sure, not rejected")
    rows = {}
    for name, group in groups.items():
        rows[name] = [
            f"{group['count']:,}",
            _if_any(group["auroc"], 4),
            f"{group['auroc_of_confidence']:.4f}",
            _if_any(group["rejected_percent"], 1),
            f"{group['sure_and_accepted_percent']:.1f}",
        ]
    return _section("No digits, against MNIST's", columns, rows)


def _if_any(value: float | None, places: int) -> str:
    return "-" if value is None else f"{value:.{places}f}"


def _section(title: str, columns: list[str], rows: dict[str, list[str]]) -> str:
    """A heading with its columns, right-aligned, and one line a row."""
    lines = {title: columns} | {f"  {name}": cells for name, cells in rows.items()}
    widths = [
        max(len(cells[column]) for cells in lines.values() if column < len(cells))
        for column in range(len(columns))
    ]
    first = max(_NAMES, *map(len, lines))
    return "\n".join(
        name.ljust(first)
        + "".join(f"  {c:>{width}}" for c, width in zip(cells, widths, strict=False))
        for name, cells in lines.items()
    )
