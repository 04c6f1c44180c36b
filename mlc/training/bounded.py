"""A bound on what is allocated while a stored model is built."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mlc.config.errors import RunFolderError

# A model holds tables beside its weights, and a tensor costs something however few numbers it has.
_BESIDE_WEIGHTS, _LEAST_COUNTED = 2**26, 2**10
_FACTORIES = (torch.ops.aten.empty, torch.ops.aten.zeros, torch.ops.aten.ones, torch.ops.aten.full)


class NoLarger(TorchDispatchMode):
    """While it is entered, tensors are made only as far as a model of these weights may need them.

    A stored config can ask for layers of any width, which would be made, and drawn, before they could
    be compared with the weights. Counted are the numbers of all tensors that are made from a shape.

    Args:
        path: of the weights, for the message.
        shapes: of the weights.
    """

    def __init__(self, path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        self._path = path
        self._left = _BESIDE_WEIGHTS + sum(math.prod(shape) for shape in shapes.values())

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No, for that would import torch's compiler, which takes longer than all else here."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count a tensor before it is made.

        Raises:
            RunFolderError: there are too many.
        """
        if func.overloadpacket in _FACTORIES:
            self._left -= max(math.prod(args[0]), _LEAST_COUNTED)
            if self._left < 0:
                raise RunFolderError(
                    f"{self._path} holds far fewer weights than the model of the stored config, which"
                    " is therefore not built: train the run again."
                )
        return func(*args, **(kwargs or {}))
