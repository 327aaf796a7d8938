"""How people use the network: API, page and batch script. Nothing here needs TensorFlow."""
