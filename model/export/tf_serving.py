"""The folder that TensorFlow Serving serves: ``DIR/NAME/VERSION/`` and ``DIR/models.config``.

For ``tensorflow_model_server --model_config_file=/models/models.config`` with DIR mounted at
``/models``. Fields: model_server_config.proto (github.com/tensorflow/serving). The networks in it
are written by `model.export.saved_model`.
"""

import json
from pathlib import Path

CONFIG = "models.config"
MOUNTED_AT = "/models"  # where the image tensorflow/serving looks

_ENTRY = """  config {{
    name: {name}
    base_path: {path}
    model_platform: "tensorflow"
  }}
"""


def write_config(folder: Path) -> Path:
    """List every network of the folder; returns the path of the list.

    Raises:
        OSError: `folder` is not writable.
    """
    names = sorted({path.parent.parent.name for path in folder.glob("*/[0-9]*/saved_model.pb")})
    entries = "".join(
        _ENTRY.format(name=json.dumps(name), path=json.dumps(f"{MOUNTED_AT}/{name}"))
        for name in names
    )
    path = folder / CONFIG
    path.write_text(f"model_config_list {{\n{entries}}}\n", encoding="utf-8")
    return path
