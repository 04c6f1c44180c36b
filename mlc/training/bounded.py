"""A bound on the memory that building a stored model may allocate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mlc.config.errors import RunFolderError

# A model has tables beside its weights, and even a small tensor takes some memory.
_BESIDE_WEIGHTS, _LEAST_COUNTED = 2**26, 2**10
_FACTORIES = (torch.ops.aten.empty, torch.ops.aten.zeros, torch.ops.aten.ones, torch.ops.aten.full)


class NoLarger(TorchDispatchMode):
    """Limit the tensors created inside the context to what a model with these weights may need.

    The layers of a stored config can have any width, and would be allocated and initialised before a
    comparison with the weights. The limit counts the numbers of all tensors created from a shape.

    Args:
        path: file of the weights, for the message.
        shapes: shapes of the weights.
    """

    def __init__(self, path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        self._path = path
        self._remaining = _BESIDE_WEIGHTS + sum(math.prod(shape) for shape in shapes.values())

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False, since True would import torch's compiler, which is slow."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count a tensor before its creation.

        Raises:
            RunFolderError: the limit is exceeded.
        """
        if func.overloadpacket in _FACTORIES:
            self._remaining -= max(math.prod(args[0]), _LEAST_COUNTED)
            if self._remaining < 0:
                raise RunFolderError(
                    f"{self._path} holds far fewer weights than the model of the stored config, which"
                    " is therefore not built: train the run again."
                )
        return func(*args, **(kwargs or {}))
