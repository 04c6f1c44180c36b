"""Choices of `auto` that do not depend on which rule is the best."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mlc.decisions.auto import Auto
from mlc.decisions.candidates import Candidate
from mlc.heads.prediction import Prediction


def force_choice(patch: pytest.MonkeyPatch, words: str) -> None:
    """Let `auto` try `global` and the candidate of this name alone, and choose that, on any rows."""
    suits = Auto._suits

    def chosen(
        _: Auto, decisions: list[Tensor], targets: Tensor, margin: float, known: Tensor | None
    ) -> Tensor:
        # The baselines lack the joint, so that only `global` is left to them.
        return torch.full(targets.shape[:-2], len(decisions) - 1)

    def is_tried(rule: Auto, candidate: Candidate, prediction: Prediction) -> bool:
        return candidate.words in ("global", words) and suits(rule, candidate, prediction)

    patch.setattr("mlc.decisions.auto.LEAST_ROWS", 1)
    patch.setattr(Auto, "_suits", is_tried)
    patch.setattr(Auto, "_best", chosen)
