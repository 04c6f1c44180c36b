"""A rule that predicts only label sets that occur in training."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Size, Tensor

from mlc.config.options import option
from mlc.decisions.base import MARGINAL_THRESHOLD, DecisionRule, register_decision
from mlc.decisions.expected import jaccard_of_sets
from mlc.heads.label_sets import EPSILON

# Numbers in the largest arrays, of rows by sets and of candidates by sets.
_AT_ONCE = 2**22
# A log-weight far below that of a share of EPSILON.
_IMPOSSIBLE = -1e4


@dataclass
class SeenOptions:
    """The maximised value, and the model of the scores; null infers it from the natural threshold."""

    maximise: str = option(
        "probability", choices=("probability", "expected_jaccard", "expected_f1")
    )
    model: str | None = option(None, choices=("independent", "shares"))


@register_decision("seen")
class Seen(DecisionRule):
    """A rule that predicts the training label set of highest probability or expected value.

    With `model=independent` the weight of a set S is the product of p_k / (1 - p_k) over its labels: its
    probability if the scores p are marginals of independent labels, up to a factor common to all sets.
    With `model=shares` it is exp(-KL(u_S || q)) = |S| (product of q_k over S)^(1 / |S|), for
    scores q that sum to 1 and u_S that is 1 / |S| on S: the divergence is the loss of a softmax with
    the target u_S, less its minimum. The empty set has no u_S and the weight 0. By default the scores
    of a head with the natural threshold 1/K are shares, and all others marginals, also scores that only
    rank labels; for K = 2 give `model`.

    `expected_jaccard` and `expected_f1` maximise the weighted mean over the seen sets. The maximum is
    exact, over all seen sets; of equals the first in lexicographic order wins.

    The sets are `training_sets`, or those of the targets of `fit` if `training_sets` is None.
    """

    Options = SeenOptions
    needs = ("marginals", "scores")
    tuned_on = "validation"
    uses_training_sets = True
    # One tensor per run, or one for all runs.
    _sets: list[Tensor] | None = None
    _leading: Size = Size()
    _stored_model: str | None = None

    @property
    def model(self) -> str:
        """The model of the scores: "independent" or "shares"."""
        if self._stored_model is not None:
            return self._stored_model
        if self.options.model is not None:
            return str(self.options.model)
        return "independent" if self.natural_threshold in (None, MARGINAL_THRESHOLD) else "shares"

    def tune(self, scores: Tensor, targets: Tensor) -> Self:
        """Store the training label sets, or those of the targets (..., N, K)."""
        if self.training_sets is not None:
            self._sets, self._leading = [distinct(self.training_sets)], Size()
        else:
            self._leading = targets.shape[:-2]
            self._sets = [distinct(run) for run in targets.reshape(-1, *targets.shape[-2:])]
        return self

    def by_scores(self, scores: Tensor) -> Tensor:
        """Return the best seen set of each row: (..., N, K), bool."""
        if self._sets is None:
            raise self._missing("a call of fit(scores, targets) first")
        runs = scores.reshape(-1, *scores.shape[-2:])
        sets = self._sets * (len(runs) if len(self._sets) == 1 else 1)
        decided = [self._best(run, seen) for run, seen in zip(runs, sets, strict=True)]
        return torch.stack(decided).view(scores.shape)

    def fitted(self) -> dict[str, Tensor]:
        """Return the sets: (..., M, K), bool; runs with fewer sets repeat their last."""
        if self._sets is None:
            return {}
        most = max(map(len, self._sets))
        padded = [torch.cat([run, run[-1:].expand(most - len(run), -1)]) for run in self._sets]
        return {"label_sets": torch.stack(padded).view(*self._leading, *padded[0].shape)}

    def fitted_shapes(self, shape: Size) -> dict[str, Size]:
        """Return the shapes: any number of sets of the same labels."""
        fitted = self.fitted()
        return {
            name: Size((*shape[:-2], sets.shape[-2], shape[-1])) for name, sets in fitted.items()
        }

    def described(self) -> dict[str, Any]:
        """Return the model, and the sets packed as eight labels per byte."""
        packed = {}
        for name, sets in self.fitted().items():
            bits = np.packbits(sets.cpu().numpy(), axis=None).tobytes()
            packed[name] = {"shape": list(sets.shape), "bits": base64.b64encode(bits).decode()}
        return {"model": self.model, **packed}

    def restore(self, fitted: Mapping[str, Any]) -> Self:
        """Restore the sets, and the model if it is given."""
        sets = fitted["label_sets"]
        if isinstance(sets, Mapping):
            shape = tuple(sets["shape"])
            bits = np.frombuffer(base64.b64decode(sets["bits"]), dtype=np.uint8)
            sets = np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape)
        label_sets = torch.as_tensor(sets).bool()
        self._leading = label_sets.shape[:-2]
        self._sets = [distinct(run) for run in label_sets.reshape(-1, *label_sets.shape[-2:])]
        self._stored_model = fitted.get("model")
        return self

    def _best(self, scores: Tensor, sets: Tensor) -> Tensor:
        """Return the best of sets (M, K) for each row of scores (N, K): (N, K), bool."""
        sets = sets.to(scores.device)
        rows = max(1, _AT_ONCE // len(sets))
        return torch.cat([sets[self._best_index(chunk, sets)] for chunk in scores.split(rows)])

    def _best_index(self, scores: Tensor, sets: Tensor) -> Tensor:
        """Return the index of the best set of each row: (N,)."""
        weights = self._log_weights(scores.double(), sets.double())
        if self.options.maximise == "probability":
            return weights.argmax(dim=-1)
        similarity = jaccard_of_sets if self.options.maximise == "expected_jaccard" else _f1
        share = weights.softmax(dim=-1)
        highest = share.new_full((len(share),), -torch.inf)
        best = torch.zeros_like(highest, dtype=torch.long)
        numbers, size = sets.double(), max(1, _AT_ONCE // len(sets))
        for first in range(0, len(sets), size):
            value = share @ similarity(numbers[first : first + size], numbers).T
            maximum, index = value.max(dim=-1)
            best = torch.where(maximum > highest, first + index, best)
            highest = torch.maximum(maximum, highest)
        return best

    def _log_weights(self, scores: Tensor, sets: Tensor) -> Tensor:
        """Compute log-weights of sets (M, K) for scores (N, K): (N, M), finite, so that ties remain."""
        if self.model == "independent":
            return scores.clamp(EPSILON, 1 - EPSILON).logit() @ sets.T
        sizes = sets.sum(dim=1)
        shares = scores / scores.sum(dim=-1, keepdim=True).clamp(min=EPSILON)
        weights = (shares.clamp(min=EPSILON).log() @ sets.T) / sizes.clamp(min=1)
        return weights.masked_fill(sizes == 0, _IMPOSSIBLE) + sizes.clamp(min=1).log()


def distinct(targets: Tensor) -> Tensor:
    """Return the distinct label sets in lexicographic order: (N, K) to (M, K), bool, on the CPU."""
    n_labels = targets.shape[-1]
    packed = np.unique(np.packbits(targets.bool().cpu().numpy(), axis=-1), axis=0)
    return torch.from_numpy(np.unpackbits(packed, axis=-1, count=n_labels).astype(bool))


def _f1(candidates: Tensor, sets: Tensor) -> Tensor:
    """Compute the F1 of candidates (C, K) with label sets (M, K): (C, M)."""
    total = candidates.sum(dim=1, keepdim=True) + sets.sum(dim=1)
    return torch.where(total > 0, 2 * (candidates @ sets.T) / total.clamp(min=1), 1)
