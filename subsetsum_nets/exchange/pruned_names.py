"""How pruned parameters and their masks are called: the names of other tools as ``torch.nn.utils.prune``'s.

==========================================  ====================================================
``fc.weight_orig``, ``fc.weight_mask``      ``torch.nn.utils.prune``
``fc.weight``, ``fc.weight_mask``           a mask beside its weight; ``fc.mask``, ``fc.weight.mask`` and
                                            ``masks.fc.weight`` are read alike
``fc.parametrizations.weight.original``,    ``torch.nn.utils.parametrize``, as ``torch.ao.pruning`` uses it
``fc.parametrizations.weight.0.mask``
==========================================  ====================================================
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subsetsum_nets.networks.errors import NetworkFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from os import PathLike

    from numpy.typing import NDArray

    Array = NDArray[Any]

_PARAMETRIZED = re.compile(r"(?P<module>.*?)\.?parametrizations\.(?P<name>weight|bias)\.")
_PREFIX = re.compile(r"masks?\.(?P<name>.+)")
_SUFFIX = re.compile(r"(?P<name>.*?)[._]?masks?")


def with_usual_names(
    path: str | PathLike[str], tensors: Mapping[str, Array], masks: Mapping[str, Array] | None = None
) -> dict[str, Array]:
    """Return a file's tensors, masks under the name of their parameter and ``_mask``.

    Parameters
    ----------
    path : path
        For messages.
    tensors : mapping of str to array
    masks : mapping of str to array, optional
        Those of a file that holds nothing but masks: there, ``fc.weight`` and ``fc`` are masks too.

    Raises
    ------
    NetworkFileError
        If there are two masks for one parameter, or a mask of the other file belongs to none.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.ones((1, 1))
    >>> sorted(with_usual_names("net", {"fc.weight": one, "fc.mask": one}))
    ['fc.weight', 'fc.weight_mask']
    >>> sorted(with_usual_names("net", {"fc.weight": one}, {"fc": one}))
    ['fc.weight', 'fc.weight_mask']

    """
    parameters, usual = _parameters(tensors), {}
    for name, tensor in tensors.items():
        new = next((f"{of}_mask" for of in _mask_of(name) if of in parameters), None)
        new = new or _original(name)
        if new in usual:
            raise NetworkFileError(f"{Path(path)} holds {new} twice, once as {name}")
        usual[new] = tensor
    for name, tensor in (masks or {}).items():
        of = next((of for of in (name, f"{name}.weight", *_mask_of(name)) if of in parameters), None)
        if of is None or f"{of}_mask" in usual:
            what = "belongs to no weight or bias" if of is None else f"is a second mask of {of}"
            raise NetworkFileError(f"the mask {name!r} {what} of {Path(path)}")
        usual[f"{of}_mask"] = tensor
    return usual


def _parameters(tensors: Mapping[str, Array]) -> set[str]:
    """Return the names of the parameters that may have masks."""
    names = {_original(name) for name in tensors}
    return {name.removesuffix("_orig") for name in names if re.search(r"(^|\.)(weight|bias)(_orig)?$", name)}


def _original(name: str) -> str:
    """Return the usual name of a parametrized parameter before its masks; of any other its own."""
    found = _PARAMETRIZED.fullmatch(name.removesuffix("original"))
    if not name.endswith(".original") or found is None:
        return name
    return f"{_joined(found['module'], found['name'])}_orig"


def _mask_of(name: str) -> Iterator[str]:
    """Yield the parameters whose mask a tensor may be by its name."""
    if found := re.fullmatch(_PARAMETRIZED.pattern + r"\d+\.masks?", name):
        yield _joined(found["module"], found["name"])
    for pattern in (_PREFIX, _SUFFIX):
        if found := pattern.fullmatch(name):
            yield found["name"]
            yield _joined(found["name"], "weight")


def _joined(module: str, name: str) -> str:
    return f"{module}.{name}" if module else name
