"""Networks in files: npz, safetensors and ONNX, read with care and written whole or not at all."""
