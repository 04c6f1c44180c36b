"""A rule that chooses among the label sets seen in training."""

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
from mlc.metrics.sweep import top_label

# Numbers in the largest arrays: of rows by sets, and of candidates by sets.
_AT_ONCE = 2**22
# A log-weight far below those of shares of EPSILON.
_IMPOSSIBLE = -1e4


@dataclass
class SeenOptions:
    """What is maximised; what the scores are, null for what the natural threshold tells; empty sets."""

    maximise: str = option(
        "probability", choices=("probability", "expected_jaccard", "expected_f1")
    )
    model: str | None = option(None, choices=("independent", "shares"))
    at_least_one: bool = False


@register_decision("seen")
class Seen(DecisionRule):
    """The best of the label sets that occur in training: the likeliest, or that of the best expectation.

    The weight of a set S is, with `model=independent`, the product of p_k / (1 - p_k) over its labels:
    its probability if the scores p are marginals of independent labels, up to a factor that all sets
    share. With `model=shares` it is exp(-KL(u_S || q)) = |S| (product of q_k over S)^(1 / |S|), for
    scores q that sum to 1, and u_S that is 1 / |S| on S: the loss of a softmax with the target u_S,
    less its least value. The empty set then has no u_S and the weight 0. By default a head with the
    natural threshold 1/K has shares, any other marginals; `model` states it where K = 2, and scores
    that only rank labels are taken as marginals.

    `expected_jaccard` and `expected_f1` maximise the mean over the seen sets by their weights. All are
    exact: each seen set is tried. The first of equals wins, in lexicographic order of the sets. With
    `at_least_one` the empty set is not tried, though the means count it; where no other was seen, the
    label with the highest score is predicted.

    The sets are `training_sets`, or, where these are not given, those of the targets that `fit` sees.
    """

    Options = SeenOptions
    needs = ("marginals", "scores")
    tuned_on = "validation"
    uses_training_sets = True
    # One for each run, or one for all.
    _sets: list[Tensor] | None = None
    _leading: Size = Size()
    _stored_model: str | None = None

    @property
    def model(self) -> str:
        """What the scores are taken to be: "independent" or "shares"."""
        if self._stored_model is not None:
            return self._stored_model
        if self.options.model is not None:
            return str(self.options.model)
        return "independent" if self.natural_threshold in (None, MARGINAL_THRESHOLD) else "shares"

    def tune(self, scores: Tensor, targets: Tensor) -> Self:
        """Keep the training label sets, or those of the targets (..., N, K)."""
        if self.training_sets is not None:
            self._sets, self._leading = [distinct(self.training_sets)], Size()
        else:
            self._leading = targets.shape[:-2]
            self._sets = [distinct(own) for own in targets.reshape(-1, *targets.shape[-2:])]
        return self

    def by_scores(self, scores: Tensor) -> Tensor:
        """The best seen set of each row: (..., N, K), bool."""
        if self._sets is None:
            raise self._missing("a call of fit(scores, targets) first")
        runs = scores.reshape(-1, *scores.shape[-2:])
        sets = self._sets * (len(runs) if len(self._sets) == 1 else 1)
        decided = [self._best(own, of_run) for own, of_run in zip(runs, sets, strict=True)]
        return torch.stack(decided).view(scores.shape)

    def fitted(self) -> dict[str, Tensor]:
        """The sets: (..., M, K), bool; runs with fewer repeat their last."""
        if self._sets is None:
            return {}
        most = max(map(len, self._sets))
        equal = [torch.cat([own, own[-1:].expand(most - len(own), -1)]) for own in self._sets]
        return {"label_sets": torch.stack(equal).view(*self._leading, *equal[0].shape)}

    def fitted_shapes(self, shape: Size) -> dict[str, Size]:
        """Any number of sets, of the same labels."""
        own = self.fitted()
        return {name: Size((*shape[:-2], sets.shape[-2], shape[-1])) for name, sets in own.items()}

    def described(self) -> dict[str, Any]:
        """The model, and the sets as eight labels to a byte."""
        packed = {}
        for name, sets in self.fitted().items():
            bits = np.packbits(sets.cpu().numpy(), axis=None).tobytes()
            packed[name] = {"shape": list(sets.shape), "bits": base64.b64encode(bits).decode()}
        return {"model": self.model, **packed}

    def restore(self, fitted: Mapping[str, Any]) -> Self:
        """Take the sets, and the model where it is told."""
        sets = fitted["label_sets"]
        if isinstance(sets, Mapping):
            shape = tuple(sets["shape"])
            bits = np.frombuffer(base64.b64decode(sets["bits"]), dtype=np.uint8)
            sets = np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape)
        found = torch.as_tensor(sets).bool()
        self._leading = found.shape[:-2]
        self._sets = [distinct(own) for own in found.reshape(-1, *found.shape[-2:])]
        self._stored_model = fitted.get("model")
        return self

    def _best(self, scores: Tensor, sets: Tensor) -> Tensor:
        """Of scores (N, K) and sets (M, K): (N, K), bool."""
        sets = sets.to(scores.device)
        # In lexicographic order the empty set is the first.
        least = int(self.options.at_least_one and not bool(sets[0].any()))
        if len(sets) == least:
            return top_label(scores)
        rows = max(1, _AT_ONCE // len(sets))
        return torch.cat([sets[self._place(chunk, sets, least)] for chunk in scores.split(rows)])

    def _place(self, scores: Tensor, sets: Tensor, least: int) -> Tensor:
        """The index of each row's best set from the index `least` on: (N,)."""
        weights = self._log_weights(scores.double(), sets.double())
        if self.options.maximise == "probability":
            return weights[:, least:].argmax(dim=-1) + least
        similarity = jaccard_of_sets if self.options.maximise == "expected_jaccard" else _f1
        share = weights.softmax(dim=-1)
        best = share.new_full((len(share),), -torch.inf)
        place = torch.zeros_like(best, dtype=torch.long)
        numbers, size = sets.double(), max(1, _AT_ONCE // len(sets))
        for first in range(least, len(sets), size):
            value = share @ similarity(numbers[first : first + size], numbers).T
            own, index = value.max(dim=-1)
            place = torch.where(own > best, first + index, place)
            best = torch.maximum(own, best)
        return place

    def _log_weights(self, scores: Tensor, sets: Tensor) -> Tensor:
        """Of scores (N, K) and sets (M, K): (N, M); finite, so that equal worst sets stay equal."""
        if self.model == "independent":
            return scores.clamp(EPSILON, 1 - EPSILON).logit() @ sets.T
        sizes = sets.sum(dim=1)
        shares = scores / scores.sum(dim=-1, keepdim=True).clamp(min=EPSILON)
        weights = (shares.clamp(min=EPSILON).log() @ sets.T) / sizes.clamp(min=1)
        return weights.masked_fill(sizes == 0, _IMPOSSIBLE) + sizes.clamp(min=1).log()


def distinct(targets: Tensor) -> Tensor:
    """The distinct label sets in lexicographic order: (N, K) to (M, K), bool, on the CPU."""
    n_labels = targets.shape[-1]
    packed = np.unique(np.packbits(targets.bool().cpu().numpy(), axis=-1), axis=0)
    return torch.from_numpy(np.unpackbits(packed, axis=-1, count=n_labels).astype(bool))


def _f1(candidates: Tensor, sets: Tensor) -> Tensor:
    """Compute the F1 of candidates (C, K) with sets (M, K): (C, M); 1 for two empty sets."""
    total = candidates.sum(dim=1, keepdim=True) + sets.sum(dim=1)
    return torch.where(total > 0, 2 * (candidates @ sets.T) / total.clamp(min=1), 1)
