"""Writing a predictor to a file, and checking that the file predicts as the predictor does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mlc.backbones.stage import as_batch
from mlc.config.errors import ConfigError, DataError, MlcError
from mlc.evaluation.predictor import Predictor, best_labels
from mlc.exporting.formats import FORMATS, Predict, require_onnx
from mlc.exporting.module import PortableModel, Rows
from mlc.exporting.tracing import traced
from mlc.files.writing import write_as_whole

_N_CHECKED = 64
_ENDINGS = {".onnx": "onnx", ".pt2": "pt2"}
# Other kernels add in another order; scores of float32 differ by less than this.
TOLERANCE = 1e-4
# Such a difference can move a score over a threshold, but rarely.
_MOST_DIFFERENT = 0.05


@dataclass(frozen=True)
class Check:
    """How a written file predicts random rows, in comparison with the predictor that was exported.

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
            f"{self.n_equal} of {self.n_rows} random rows get the same label set as from the predictor"
            f" in mlc, and the scores differ by at most {self.gap:.1g}"
        )


def require_format(name: str) -> None:
    """Raise ConfigError unless there is such a format, and the packages that it needs."""
    if name not in FORMATS:
        raise ConfigError(
            f"There is no format {name!r}: choose one of {', '.join(FORMATS)} with --to."
        )
    if name == "onnx":
        require_onnx()


def format_of(to: str | None, path: Path | None) -> str:
    """Return the format, which the ending of the path names where `to` does not.

    Args:
        to: onnx, pt2, torch or None.
        path: the file or folder, or None for the format's default.

    Raises:
        ConfigError: neither names a format, the ending is that of another format, or `to` is unknown.
    """
    named = None if path is None else _ENDINGS.get(path.suffix.lower(), "torch")
    if to is None:
        if path is None or named is None:
            raise ConfigError(
                f"Neither --to nor --output names a format: give --to with one of {', '.join(FORMATS)}."
            )
        if named == "torch" and path.suffix:
            raise ConfigError(
                f"{path} ends with {path.suffix!r}: name a file that ends with .onnx or .pt2, or a"
                " folder without an ending."
            )
        to = named
    require_format(to)
    if path is not None and named != to:
        other = f"choose --to {named}"
        fitting = "a folder" if to == "torch" else f"a file that ends with .{to}"
        raise ConfigError(f"--output {path} does not fit --to {to}: name {fitting}, or {other}.")
    return to


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
    complete: Callable[[Path, Check], None] = lambda place, check: None,
) -> Check:
    """Write a predictor as one file, or as a folder for "torch", and check its predictions.

    Whatever stops it, `path` holds all or does not exist.

    Args:
        predictor: the trained model with its preprocessing and a fitted rule.
        path: a path that does not exist.
        to: onnx, pt2 or torch.
        rows: the input.
        metadata: stored in the file.
        frozen: the network that computes the features of the predictor, or None.
        one_class: as in `PortableModel`.
        complete: called before `path` exists, with the file or folder that will bear its name.

    Raises:
        ConfigError: the format is unknown, the path exists, or a part cannot be exported.
        MlcError: the file does not predict as the predictor does.
    """
    require_format(to)
    require_absent(path, "--output")
    module = PortableModel(predictor, rows, frozen, one_class)
    examples = rows.examples(_N_CHECKED, predictor, frozen)
    # Before the file is written, for the predictor may refuse the rows.
    try:
        expected = _expected(predictor, examples, frozen, one_class)
    except DataError as error:
        raise MlcError(
            f"Random rows like those of the training have no prediction: {error}"
        ) from error
    program = traced(module, examples)
    with write_as_whole(path) as place:
        predict = FORMATS[to](program, metadata, place)
        check = _checked(predict, examples, expected, path)
        complete(place, check)
    return check


def _expected(
    predictor: Predictor, rows: Tensor, frozen: nn.Module | None, one_class: bool
) -> tuple[Tensor, Tensor]:
    """Predict rows with the predictor itself, after the frozen network if there is one."""
    features = rows.flatten(1).numpy()
    if frozen is not None:
        device = next(chain(frozen.parameters(), frozen.buffers()), rows).device
        with torch.no_grad():
            features = frozen(as_batch(rows.numpy(), device)).float().flatten(1).cpu().numpy()
    scores, label_sets = predictor.scores(features), predictor.predict(features)
    if one_class:
        label_sets = np.eye(scores.shape[1], dtype=bool)[best_labels(scores, label_sets)]
    return torch.as_tensor(scores), torch.as_tensor(label_sets)


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
