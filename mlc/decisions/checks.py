"""Checks of the arrays that users pass to decision rules."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mlc.config.errors import ConfigError, DataError
from mlc.heads.prediction import Prediction

# The arguments of `decide` for each kind of input.
ARGUMENTS = {
    "joint": "a joint distribution (log_joint and label_sets)",
    "cardinality": "scores and an expected cardinality",
    "marginals": "marginals (scores)",
    "sizes": "probabilities of labels and sizes",
    "scores": "scores",
}
# Tolerances for sums of probabilities in float32.
_ROUNDING = 1e-6
_ROUNDING_OF_SUM = 1e-2


class Lack(NamedTuple):
    """An option that must be given, perhaps with a value as in none=false, and why."""

    option: str
    reason: str

    def words(self, prefix: str = "") -> str:
        """Say so, with the option's name after the prefix."""
        sign = "" if prefix or "=" in self.option else "="
        return f"{prefix}{self.option}{sign}, for {self.reason}"


def require_complete(name: str, lack: Lack | None) -> None:
    """Raise ConfigError if the rule of this name lacks something."""
    if lack is not None:
        raise ConfigError(
            f"The rule {name!r} needs {lack.words()}: give it, or choose another rule, such as global."
        )


def checked_pairs(scores: Any, targets: Any) -> tuple[Tensor, Tensor]:
    """Return scores and bool targets as tensors (..., N, K) on the device of the scores.

    Raises:
        DataError: a shape does not match, or a value is not a valid score or target.
    """
    valid = _checked_scores(scores)
    return valid, checked_targets(targets, valid)


def checked_targets(targets: Any, scores: Tensor) -> Tensor:
    """Return the targets of scores (..., N, K) as a bool tensor on the same device.

    Raises:
        DataError: the shapes differ, there is no row, or a value is not 0 or 1.
    """
    tensor = _as_tensor(targets, "targets").to(scores.device)
    if tensor.shape != scores.shape:
        raise DataError(
            f"targets has shape {tuple(tensor.shape)} and scores {tuple(scores.shape)}: give a target"
            " for each score."
        )
    if scores.shape[-2] == 0:
        raise DataError("scores has no row: give at least one to fit a rule.")
    if tensor.dtype != torch.bool:
        wrong = (tensor != 0) & (tensor != 1)
        _refuse(wrong, tensor, "targets", "give 0 or 1 for each label, as in y > 0.5")
    return tensor.bool()


def checked_prediction(
    scores: Any, log_joint: Any, label_sets: Any, cardinality: Any
) -> Prediction:
    """Return the given arrays as a prediction.

    Raises:
        ConfigError: one of log_joint and label_sets is missing.
        DataError: a shape does not match, or a value is out of range.
    """
    if (log_joint is None) != (label_sets is None):
        raise ConfigError("log_joint and label_sets belong together: give both, or neither.")
    if scores is not None:
        scores = _checked_scores(scores)
    if cardinality is not None:
        cardinality = _checked_cardinality(cardinality, scores)
    if log_joint is not None:
        log_joint, label_sets = _checked_joint(log_joint, label_sets)
    return Prediction(scores, cardinality=cardinality, log_joint=log_joint, label_sets=label_sets)


def checked_mask(known: Any, targets: Tensor) -> Tensor | None:
    """Return the mask of known pairs on the device of the targets, or None if all are known.

    Raises:
        DataError: it has another shape than the targets, or a run has no known pair.
    """
    mask = torch.as_tensor(known, dtype=torch.bool, device=targets.device)
    if mask.shape != targets.shape:
        raise DataError(
            f"known has shape {tuple(mask.shape)} and targets {tuple(targets.shape)}: give True or False"
            " for each."
        )
    if bool(mask.all()):
        return None
    if not bool(mask.any(dim=-1).any(dim=-1).all()):
        raise DataError("No label of the rows that tune the rule is known: give some rows more.")
    return mask


def _checked_scores(scores: Any) -> Tensor:
    tensor = _as_tensor(scores, "scores")
    if tensor.ndim < 2 or tensor.shape[-1] == 0:
        raise DataError(
            f"scores has shape {tuple(tensor.shape)}: give (N, K), a row for each sample and a column"
            " for each label."
        )
    outside = ~((tensor >= -_ROUNDING) & (tensor <= 1 + _ROUNDING))
    _refuse(outside, tensor, "scores", "give numbers in [0, 1], such as the sigmoid of logits")
    return tensor


def _checked_cardinality(cardinality: Any, scores: Tensor | None) -> Tensor:
    tensor = _as_tensor(cardinality, "cardinality")
    if scores is not None and tensor.shape != scores.shape[:-1]:
        raise DataError(
            f"cardinality has shape {tuple(tensor.shape)} and scores {tuple(scores.shape)}: give a"
            " number for each sample."
        )
    _refuse(
        ~(tensor >= 0) | tensor.isinf(), tensor, "cardinality", "give expected numbers of labels"
    )
    return tensor


def _checked_joint(log_joint: Any, label_sets: Any) -> tuple[Tensor, Tensor]:
    tensor, sets = _as_tensor(log_joint, "log_joint"), _as_tensor(label_sets, "label_sets")
    if sets.ndim != 2 or tensor.ndim < 2 or tensor.shape[-1] != len(sets) or sets.numel() == 0:
        raise DataError(
            f"log_joint has shape {tuple(tensor.shape)} and label_sets {tuple(sets.shape)}: give (N, M)"
            " and (M, K), a log-probability of each label set for each sample."
        )
    sets = sets.to(tensor.device)
    _refuse((sets != 0) & (sets != 1), sets, "label_sets", "give 0 or 1 for each label")
    total = tensor.exp().sum(dim=-1)
    _refuse(
        ~((total - 1).abs() <= _ROUNDING_OF_SUM),
        total,
        "log_joint.exp().sum(-1)",
        "give log-probabilities, which sum to 1 over the label sets",
    )
    return tensor, sets.bool()


def _as_tensor(values: Any, name: str) -> Tensor:
    """Return a strided tensor of real numbers, copied unless the values are one."""
    if not isinstance(values, Tensor):
        values = torch.from_numpy(_as_array(values, name))
    tensor: Tensor = values.detach()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_complex():
        raise DataError(f"{name} holds complex numbers: give real ones.")
    return tensor if tensor.is_floating_point() or tensor.dtype == torch.bool else tensor.double()


def _as_array(values: Any, name: str) -> Any:
    """Return an array of float64, or of float32 if the values have at most that precision."""
    dense = values.toarray() if hasattr(values, "toarray") else values
    try:
        array = np.asarray(dense)
        if array.dtype.kind not in "biufO":
            raise TypeError(f"elements of type {array.dtype}")
        small = array.dtype.kind == "f" and array.dtype.itemsize <= 4
        return np.array(array, dtype=np.float32 if small else np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{name} is no array of numbers ({error}): give a tensor, an array, or lists of equal"
            " length."
        ) from error


def _refuse(wrong: Tensor, values: Tensor, name: str, remedy: str) -> None:
    """Raise DataError that names the first wrong value, if there is one."""
    if bool(wrong.any()):
        index = wrong.nonzero()[0].tolist()
        value = float(values[tuple(index)])
        raise DataError(f"{name}[{', '.join(map(str, index))}] is {value:g}: {remedy}.")
