"""A trained network as ONNX, SavedModel, Triton or TF Serving: ``python -m model.export``."""
