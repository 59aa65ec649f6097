"""Trained policies for other programs: as an ONNX file, and as a folder that needs numpy and onnxruntime alone."""
