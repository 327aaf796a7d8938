"""One run on several devices, and on several hosts: Keras's distribution API, on JAX.

Weights are copied to all devices; of each batch every device gets an equal part, and JAX
sums the gradients. All processes draw the same batch and hand their own devices their part,
so a run is the same on any number of devices, but for rounding.
"""

import os

import keras
import numpy as np

from training.errors import TrainingError

_HOSTS = "KERAS_DISTRIBUTION_JOB_ADDRESSES"


def start() -> keras.distribution.DataParallel:
    """Join the other hosts, if Keras's variables name any, and take all devices.

    The variables are KERAS_DISTRIBUTION_JOB_ADDRESSES (that of process 0, or all),
    KERAS_DISTRIBUTION_NUM_PROCESSES and KERAS_DISTRIBUTION_PROCESS_ID.

    Raises:
        TrainingError: not on JAX, or the hosts cannot meet.
    """
    if keras.backend.backend() != "jax":
        raise TrainingError("--distribute needs JAX: give --backend jax")
    if _HOSTS in os.environ:
        try:
            keras.distribution.initialize()
        except (ValueError, RuntimeError) as error:
            raise TrainingError(
                f"the processes at {_HOSTS}={os.environ[_HOSTS]} cannot meet ({error}): each needs "
                "KERAS_DISTRIBUTION_NUM_PROCESSES, and its own KERAS_DISTRIBUTION_PROCESS_ID"
            ) from error
    distribution = keras.distribution.DataParallel()
    if distribution.num_model_replicas == 1:
        print("note: --distribute found one device only")
    return distribution


def check(distribution: keras.distribution.DataParallel, batch: int) -> None:
    """Whether a batch can be dealt out.

    Raises:
        TrainingError: it leaves a remainder.
    """
    devices = distribution.num_model_replicas
    if batch % devices:
        raise TrainingError(
            f"{batch} digits a step cannot be dealt out to {devices} devices: "
            f"give a --batch-size that is a multiple of {devices}"
        )


def describe(distribution: keras.distribution.DataParallel | None) -> str:
    """The end of a sentence about a batch."""
    if distribution is None:
        return ""
    return f", dealt out to {distribution.num_model_replicas} devices"


def writes() -> bool:
    """Whether this process writes files and prints: one of all does."""
    if keras.backend.backend() != "jax":
        return True
    import jax

    return jax.process_index() == 0


def share(distribution: keras.distribution.DataParallel, batch: np.ndarray):
    """The whole batch as a `jax.Array` of which each device holds its part."""
    import jax

    sharding = distribution.get_data_layout(batch.shape).backend_layout
    return jax.make_array_from_callback(batch.shape, sharding, lambda part: batch[part])
