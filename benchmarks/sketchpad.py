"""The usual way to the same network, to compare with: `gr.Sketchpad`, its `change`, an answer.

    python benchmarks/sketchpad.py [FILE.onnx]

Prints its URL. The answer is plain HTML, which Gradio paints sooner than `gr.Label`; a counter
in it makes every answer differ from the one before.
"""

import os
import sys
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the server itself does
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"

import gradio as gr

from model.images.preprocess import preprocess
from model.predictor import Predictor


def main() -> None:
    predictor = Predictor(*sys.argv[1:])
    number = count(1)

    def read(drawing: dict) -> str:
        ink = drawing["composite"][..., 3]
        reading = predictor.read(preprocess(ink).image)
        return f"<p class='answer'>{reading.digit} ({next(number)})</p>"

    with gr.Blocks(analytics_enabled=False) as page:
        pad = gr.Sketchpad(canvas_size=(400, 400))
        answer = gr.HTML("<p class='answer'></p>")
        pad.change(read, pad, answer)
    _, url, _ = page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True)
    print(url, flush=True)
    page.block_thread()


if __name__ == "__main__":
    main()
