"""What the run computes on, in words."""

import os

import keras


def describe() -> str:
    """For example ``tensorflow 2.21.0 on CPU (cores: 4)`` or ``jax 0.10.2 on NVIDIA H100``."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        details = [
            tf.config.experimental.get_device_details(device).get("device_name", "GPU")
            for device in tf.config.list_physical_devices("GPU")
        ]
        version, gpu = tf.__version__, ", ".join(details)
    else:
        import jax

        version = jax.__version__
        gpu = ", ".join(d.device_kind for d in jax.devices() if d.platform != "cpu")
    may_use = getattr(os, "sched_getaffinity", None)  # Linux alone tells which are ours
    cores = len(may_use(0)) if may_use else os.cpu_count()
    return f"{backend} {version} on {gpu or f'CPU (cores: {cores})'}"
