"""The weights of one run on disk."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from mlc.config.errors import RunFolderError
from mlc.config.texts import cause
from mlc.files.names import CHECKPOINT
from mlc.files.writing import write_atomically
from mlc.training.model import Model


def save_run(model: Model, run: int, folder: Path) -> None:
    """Write the weights of one of the model's runs, without the runs axis."""
    # Copy, because safetensors refuses tensors that share memory.
    weights = {
        name: value[run].cpu().clone(memory_format=torch.contiguous_format)
        for name, value in model.state_dict().items()
    }
    with write_atomically(folder / CHECKPOINT) as file:
        file.write(save(weights))


def load_run(model: Model, folder: Path) -> None:
    """Read weights into a model of one run.

    Raises:
        RunFolderError: there are none, they are those of another model, or one is not finite.
    """
    path = folder / CHECKPOINT
    try:
        weights: dict[str, Tensor] = load(path.read_bytes())
        model.load_state_dict({name: value.unsqueeze(0) for name, value in weights.items()})
    except (OSError, SafetensorError) as error:
        raise RunFolderError(
            f"{path}: no weights can be read ({cause(error)}): train the run again."
        ) from error
    except RuntimeError as error:
        raise RunFolderError(
            f"{path}: these are the weights of another model ({cause(error)})."
        ) from error
    # Buffers may be infinite, as the logarithm of a share of 0 is.
    for name, parameter in model.named_parameters():
        if not parameter.isfinite().all():
            raise RunFolderError(
                f"{path}: {name} holds a value that is not finite: train the run again."
            )
