"""Export a model to ONNX, for other programs and for use without torch."""
