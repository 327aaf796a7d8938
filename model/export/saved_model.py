"""A Keras model as a SavedModel for TF Serving, with warm-up requests.

The only file of `model` that imports TensorFlow; Keras must run on its tensorflow backend.
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog, PredictLog

from model import signature

SIGNATURE = "serving_default"
# Where TF Serving looks: tensorflow.org/tfx/serving/saved_model_warmup
WARM_UP_FILE = "assets.extra/tf_serving_warmup_requests"
WARM_UP_BATCHES = (1, 8, 32)


def write(model: keras.Model, folder: Path, name: str) -> None:
    """Write the SavedModel; inputs and outputs carry the names of `model.signature`.

    `name` is what the engine will call the network.
    """
    spec = tf.TensorSpec((None, signature.STEPS, signature.PIXELS), tf.float32, signature.IMAGES)

    @tf.function(input_signature=[spec])
    def serve(images):
        return model(images, training=False)

    module = tf.Module()
    module.model = model  # keeps the variables
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: serve})
    _write_warm_up(folder / WARM_UP_FILE, name)


def run(folder: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """Call the written file's signature, as TF Serving would."""
    saved = tf.saved_model.load(str(folder))
    outputs = saved.signatures[SIGNATURE](**{signature.IMAGES: tf.constant(images)})
    return {name: array.numpy() for name, array in outputs.items()}


def _write_warm_up(path: Path, name: str) -> None:
    """One blank request for each batch size, so that the first user does not pay for tracing."""
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for batch in WARM_UP_BATCHES:
            request = PredictRequest()
            request.model_spec.name = name
            request.model_spec.signature_name = SIGNATURE
            blank = np.zeros((batch, signature.STEPS, signature.PIXELS), np.float32)
            request.inputs[signature.IMAGES].CopyFrom(tf.make_tensor_proto(blank))
            log = PredictionLog(predict_log=PredictLog(request=request))
            writer.write(log.SerializeToString())
