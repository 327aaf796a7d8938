"""How people use the network: API, page and batch script. Nothing here needs TensorFlow."""

import os

# NumPy reads it when it is first imported. Its products here are small: measured, four threads
# took five times as long over an explanation as one, and the time from the live view.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
