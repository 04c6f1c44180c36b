"""What users hand to decision rules: any array of numbers, refused where it cannot be meant."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlc.config.errors import ConfigError, DataError
from mlc.heads.prediction import Prediction

# Of numbers that come from sums of probabilities in float32.
_ROUNDING = 1e-6
_ROUNDING_OF_SUM = 1e-2


def checked_pairs(scores: Any, targets: Any) -> tuple[Tensor, Tensor]:
    """Scores and targets as tensors (..., N, K) on the scores' device, the targets bool.

    Raises:
        DataError: a shape does not fit, or a value is no score or no target.
    """
    of_scores = _checked_scores(scores)
    return of_scores, checked_targets(targets, of_scores)


def checked_targets(targets: Any, scores: Tensor) -> Tensor:
    """Targets of these scores, (..., N, K), as a bool tensor on their device.

    Raises:
        DataError: the shape is another, there is no row, or a value is no target.
    """
    found = _as_tensor(targets, "targets").to(scores.device)
    if found.shape != scores.shape:
        raise DataError(
            f"targets has shape {tuple(found.shape)} and scores {tuple(scores.shape)}: give a target for"
            " each score."
        )
    if scores.shape[-2] == 0:
        raise DataError("scores has no row: give at least one to fit a rule.")
    _refuse(
        (found != 0) & (found != 1), found, "targets", "give 0 or 1 for each label, as in y > 0.5"
    )
    return found.bool()


def checked_prediction(
    scores: Any, log_joint: Any, label_sets: Any, cardinality: Any
) -> Prediction:
    """What was given, as a prediction.

    Raises:
        ConfigError: one of log_joint and label_sets is missing.
        DataError: a shape does not fit, or a value is none that such a thing can have.
    """
    if (log_joint is None) != (label_sets is None):
        raise ConfigError("log_joint and label_sets belong together: give both, or neither.")
    of_scores = None if scores is None else _checked_scores(scores)
    numbers = None
    if cardinality is not None:
        numbers = _checked_cardinality(cardinality, of_scores)
    if log_joint is None:
        return Prediction(of_scores, cardinality=numbers)
    joint, sets = _checked_joint(log_joint, label_sets)
    return Prediction(of_scores, cardinality=numbers, log_joint=joint, label_sets=sets)


def _checked_scores(scores: Any) -> Tensor:
    found = _as_tensor(scores, "scores")
    if found.ndim < 2 or found.shape[-1] == 0:
        raise DataError(
            f"scores has shape {tuple(found.shape)}: give (N, K), a row for each sample and a column"
            " for each label."
        )
    outside = ~((found >= -_ROUNDING) & (found <= 1 + _ROUNDING))
    _refuse(outside, found, "scores", "give numbers in [0, 1], such as the sigmoid of logits")
    return found


def _checked_cardinality(cardinality: Any, scores: Tensor | None) -> Tensor:
    found = _as_tensor(cardinality, "cardinality")
    if scores is not None and found.shape != scores.shape[:-1]:
        raise DataError(
            f"cardinality has shape {tuple(found.shape)} and scores {tuple(scores.shape)}: give a number"
            " for each sample."
        )
    _refuse(~(found >= 0) | found.isinf(), found, "cardinality", "give expected numbers of labels")
    return found


def _checked_joint(log_joint: Any, label_sets: Any) -> tuple[Tensor, Tensor]:
    found, sets = _as_tensor(log_joint, "log_joint"), _as_tensor(label_sets, "label_sets")
    if sets.ndim != 2 or found.ndim < 2 or found.shape[-1] != len(sets) or sets.numel() == 0:
        raise DataError(
            f"log_joint has shape {tuple(found.shape)} and label_sets {tuple(sets.shape)}: give (N, M)"
            " and (M, K), a log-probability of each label set for each sample."
        )
    sets = sets.to(found.device)
    _refuse((sets != 0) & (sets != 1), sets, "label_sets", "give 0 or 1 for each label")
    total = found.exp().sum(dim=-1)
    _refuse(
        ~((total - 1).abs() <= _ROUNDING_OF_SUM),
        total,
        "log_joint.exp().sum(-1)",
        "give log-probabilities, which sum to 1 over the label sets",
    )
    return found, sets.bool()


def _as_tensor(values: Any, name: str) -> Tensor:
    """A strided tensor of real numbers, copied unless it is one."""
    if not isinstance(values, Tensor):
        values = torch.from_numpy(_as_array(values, name))
    found: Tensor = values.detach()
    if found.layout != torch.strided:
        found = found.to_dense()
    if found.is_complex():
        raise DataError(f"{name} holds complex numbers: give real ones.")
    return found if found.is_floating_point() or found.dtype == torch.bool else found.double()


def _as_array(values: Any, name: str) -> Any:
    """Float64, or float32 where that holds all of it."""
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
    """The first of the wrong values, if there is one."""
    if bool(wrong.any()):
        place = wrong.nonzero()[0].tolist()
        value = float(values[tuple(place)])
        raise DataError(f"{name}[{', '.join(map(str, place))}] is {value:g}: {remedy}.")
