"""The suffixes of network files, and what to do about files of other programs that are none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

SAVED = (".npz", ".safetensors", ".onnx")
SUFFIXES = (*SAVED, ".nnet")
TORCH_SUFFIXES = (".pt", ".pth")
_STATE_DICT = (
    "what PyTorch saved; read_state_dict() of subsetsum_nets.exchange reads the state dict of a chain of "
    "layers"
)
_KERAS = "a model of Keras: export it as ONNX, model.export('net.onnx', format='onnx'), and give that"
_TENSORFLOW = "a model of TensorFlow: export it as ONNX, python -m tf2onnx.convert"
_ELSEWHERE = {
    **dict.fromkeys(TORCH_SUFFIXES, _STATE_DICT),
    **dict.fromkeys((".keras", ".h5", ".hdf5"), _KERAS),
    ".tflite": f"{_TENSORFLOW} --tflite FILE --output net.onnx, and give that",
    ".pb": f"{_TENSORFLOW} --saved-model FOLDER (or --graphdef FILE) --output net.onnx, and give that",
}


def suffix_of(path: str | os.PathLike[str]) -> str:
    """Return the suffix of a network file, in lower case.

    Raises
    ------
    ValueError
        For any other; the message says how a file of PyTorch, Keras or TensorFlow is brought here.

    Examples
    --------
    >>> suffix_of("net.ONNX")
    '.onnx'

    """
    suffix = Path(path).suffix.lower()
    if suffix in SUFFIXES:
        return suffix
    if suffix in _ELSEWHERE:
        raise ValueError(f"{str(path)!r} holds {_ELSEWHERE[suffix]}")
    raise ValueError(
        f"networks live in .npz, .safetensors and .onnx files, and are read from .nnet files; {str(path)!r} "
        "is none of them"
    )


def saved_suffix(path: str | os.PathLike[str]) -> str:
    """Return the suffix of a network file that is to be written, or raise ValueError for any other."""
    suffix = Path(path).suffix.lower()
    if suffix not in SAVED:
        raise ValueError(f"networks are saved as .npz, .safetensors and .onnx; {str(path)!r} is none of them")
    return suffix
