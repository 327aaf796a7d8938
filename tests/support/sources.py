"""The sources beside MNIST as files in their published formats, as small as can be."""

import io
import json
import zipfile
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from training.sources import fonts, omniglot, optdigits, pendigits


def save_pens(folder: Path, writers: int = 8) -> Path:
    """Three digits of each writer; digit d is a hook whose bend depends on d."""
    segments = [
        f'.SEGMENT DIGIT    {number} ? "{label}"\n.COMMENT {label} {writer} {label + 1}\n'
        f".PEN_DOWN\n 100 {450 - writer}\n {120 + 30 * label} 300\n 200 {50 + 20 * label}\n"
        ".PEN_UP\n.DT 100"
        for writer in range(1, writers + 1)
        for number, label in enumerate((0, 4, 9), 3 * writer)
    ]
    path = folder / pendigits.FILE
    path.write_text("\n".join([".HIERARCHY DIGIT", *segments, ""]))
    return path


def save_characters(folder: Path) -> Path:
    """Three drawings of one character held out, one of a circle and one to train on."""
    page = np.full((105, 105), True)
    page[20:80, 50:53] = page[40:43, 20:80] = False
    png = io.BytesIO()
    Image.fromarray(page).save(png, "PNG")
    held_out = omniglot.HELD_OUT_ALPHABET
    names = [f"{held_out}/character01/{drawer}.png" for drawer in range(3)]
    names += [f"{held_out}/character33/0.png", "Latin/character24/0.png"]
    path = folder / omniglot.FILE
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(f"images_background_small1/{name}", png.getvalue())
    return path


def save_scanned(folder: Path) -> Path:
    """Six digits: a bar whose height depends on the digit, 8 x 8 values 0..16."""
    rows = np.zeros((6, 8, 8), int)
    for label, image in enumerate(rows):
        image[label:, 3:5] = 16
    table = np.column_stack([rows.reshape(6, -1), np.arange(6)])
    path = folder / optdigits.FILES[0]
    np.savetxt(path, table, "%d", ",")
    return path


def save_fonts(folder: Path, *names: str) -> Path:
    """Packages with matplotlib's own font, which has all characters."""
    font = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf").read_bytes()
    for name in names:
        package = folder / fonts.FOLDER / "node_modules" / "@fontsource" / name
        (package / "files").mkdir(parents=True)
        (package / "package.json").write_text(json.dumps({"version": "5.3.0"}))
        (package / "files" / f"{name}-latin-400-normal.woff").write_bytes(font)
    return folder / fonts.FOLDER
