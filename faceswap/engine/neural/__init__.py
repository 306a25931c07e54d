"""The neural engine: the user's own ONNX weights, run by onnxruntime."""
