"""The bound on what is allocated while a stored model is built."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mlc.config.errors import RunFolderError
from mlc.training.bounded import NoLarger


def test_it_does_not_import_torchs_compiler() -> None:
    # Torch wraps this method in a function that does, unless the mode asks it not to.
    assert not hasattr(NoLarger.__torch_dispatch__, "__wrapped__")


def test_tensors_beyond_the_stored_weights_are_refused() -> None:
    with NoLarger(Path("weights"), {"weight": (3, 4)}):
        torch.zeros(2**25)
        with pytest.raises(RunFolderError, match="far fewer weights"):
            torch.zeros(2**26)
