"""Writing a predictor to a file, and checking that the file predicts as the predictor does."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mlc.config.errors import ConfigError, MlcError
from mlc.evaluation.predictor import Predictor
from mlc.exporting.formats import FORMATS, Predict, require_onnx
from mlc.exporting.module import PortableModel, Rows
from mlc.exporting.tracing import traced

_N_CHECKED = 64
# Other kernels add in another order; scores of float32 differ by less than this.
TOLERANCE = 1e-4
# Such a difference can move a score over a threshold, but rarely.
_MOST_DIFFERENT = 0.05


@dataclass(frozen=True)
class Check:
    """How a written file predicts random rows, in comparison with the predictor.

    Attributes:
        n_rows: the number of rows.
        n_equal: the number of rows with the same label set.
        gap: the largest difference of a score.
    """

    n_rows: int
    n_equal: int
    gap: float

    def __str__(self) -> str:
        return (
            f"{self.n_equal} of {self.n_rows} random rows get the same label set as in mlc, and the"
            f" scores differ by at most {self.gap:.1g}"
        )


def require_format(name: str) -> None:
    """Raise ConfigError unless there is such a format, and the packages that it needs."""
    if name not in FORMATS:
        raise ConfigError(
            f"There is no format {name!r}: choose one of {', '.join(FORMATS)} with --to."
        )
    if name == "onnx":
        require_onnx()


def require_absent(path: Path, flag: str) -> None:
    """Raise ConfigError if the path exists."""
    if path.exists() or path.is_symlink():
        raise ConfigError(f"{path} exists: name another path with {flag}, or delete it.")


def write_predictor(
    predictor: Predictor,
    path: Path,
    to: str,
    rows: Rows,
    metadata: Mapping[str, Any],
    frozen: nn.Module | None = None,
    one_class: bool = False,
) -> Check:
    """Write a predictor as one file, or as a folder for "torch", and check its predictions.

    Args:
        predictor: the trained model with its preprocessing and a fitted rule.
        path: a path that does not exist.
        to: onnx, pt2 or torch.
        rows: the input.
        metadata: stored in the file.
        frozen: the network that computes the features of the predictor, or None.
        one_class: as in `PortableModel`.

    Raises:
        ConfigError: the format is unknown, the path exists, or a part cannot be exported.
        MlcError: the file does not predict as the predictor does; it is deleted.
    """
    require_format(to)
    require_absent(path, "--output")
    module = PortableModel(predictor, rows, frozen, one_class)
    examples = rows.examples(_N_CHECKED, predictor, frozen)
    predict = FORMATS[to](traced(module, examples), metadata, path)
    with torch.no_grad():
        expected = module(examples)
    try:
        return _checked(predict, examples, expected, path)
    except MlcError:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        raise


def _checked(predict: Predict, rows: Tensor, expected: tuple[Tensor, Tensor], path: Path) -> Check:
    """Compare predictions of all rows and of the first alone with the expected ones."""
    scores, label_sets = predict(rows)
    alone, _ = predict(rows[:1])
    gap = max(
        float((scores - expected[0]).abs().max()), float((alone - expected[0][:1]).abs().max())
    )
    n_equal = int((label_sets == expected[1]).all(dim=-1).sum())
    check = Check(len(rows), n_equal, gap)
    if not gap <= TOLERANCE or n_equal < (1 - _MOST_DIFFERENT) * len(rows):
        raise MlcError(
            f"{path} would not predict as the run does ({check}): choose another format with --to."
        )
    return check
