"""Networks in files: npz, safetensors, ONNX and .nnet, read with care and written whole or not at all."""
