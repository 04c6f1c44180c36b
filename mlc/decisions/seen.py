"""A rule that chooses among the label sets of the training rows."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Size, Tensor

from mlc.config.errors import ConfigError
from mlc.config.options import option
from mlc.data.label_sets import distinct_rows
from mlc.decisions.base import MARGINAL_THRESHOLD, DecisionRule, register_decision
from mlc.decisions.expected import jaccard_of_sets
from mlc.heads.label_sets import EPSILON
from mlc.metrics.sweep import top_label

# Numbers in the largest arrays, which are rows by sets and candidates by sets.
_AT_ONCE = 2**22
# A log-weight far below those of shares of EPSILON.
_IMPOSSIBLE = -1e4


@dataclass
class SeenOptions:
    """The value to maximise, the model of the scores, and whether each set has at least one label.

    Without a model the natural threshold of the head determines it.
    """

    maximise: str = option(
        "probability", choices=("probability", "expected_jaccard", "expected_f1")
    )
    model: str | None = option(None, choices=("independent", "shares"))
    at_least_one: bool = False


@register_decision("seen")
class Seen(DecisionRule):
    r"""A rule that predicts the most probable, or in expectation best, label set seen in training.

    With `model=independent` the weight of a set S is $`\prod_{k \in S} p_k / (1 - p_k)`$. If the
    scores $`p`$ are marginals of independent labels, it is the probability of S up to a factor that
    all sets share. With `model=shares` the weight is $`\exp(-\operatorname{KL}(u_S \,\Vert\, q)) =
    \lvert S \rvert (\prod_{k \in S} q_k)^{1 / \lvert S \rvert}`$, for scores $`q`$ that sum to 1 and
    the distribution $`u_S`$ that is $`1 / \lvert S \rvert`$ on S; the divergence is the softmax loss
    of the target $`u_S`$ minus its minimum. The empty set has no $`u_S`$, and its weight is 0. By
    default a head with the natural threshold 1/K has shares and every other head marginals. For K = 2
    both thresholds are 0.5, and `model` has to be given for shares. Scores that only rank labels are
    used as marginals.

    `expected_jaccard` and `expected_f1` maximise the weighted mean over the seen sets. All forms are
    exact, because each seen set is tried. Of equally good sets the first in lexicographic order is
    taken. With `at_least_one` the empty set is not tried, although the means include it; if no other set
    was seen, the label with the highest score is predicted.

    The sets are `training_sets` if these are given, and otherwise those of the targets that `fit` sees.
    """

    Options = SeenOptions
    needs = ("marginals", "scores")
    tuned_on = "validation"
    uses_training_sets = True
    # One tensor for each run, or one for all runs.
    _sets: list[Tensor] | None = None
    # Whether the empty set is among them, its first one; a traced program cannot ask for values.
    _has_empty: tuple[bool, ...] = ()
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
        """Keep the training label sets, or those of the targets (..., N, K)."""
        return self._keep(targets if self.training_sets is None else self.training_sets)

    def tune_masked(self, scores: Tensor, targets: Tensor, known: Tensor) -> Self:
        """Keep the training label sets.

        Raises:
            ConfigError: there are none, as no training row has all its labels.
        """
        if self.training_sets is None or not len(self.training_sets):
            raise ConfigError(
                f"The rule {self.name!r} chooses among the label sets of training rows with all labels,"
                " and there is none: choose another rule, such as global."
            )
        return self._keep(self.training_sets)

    def by_scores(self, scores: Tensor) -> Tensor:
        """Return the best seen set of each row: (..., N, K), bool."""
        if self._sets is None:
            raise self._missing("a call of fit(scores, targets) first")
        runs = scores.reshape(-1, *scores.shape[-2:])
        repeats = len(runs) if len(self._sets) == 1 else 1
        sets, has_empty = self._sets * repeats, self._has_empty * repeats
        decided = [self._best(*run) for run in zip(runs, sets, has_empty, strict=True)]
        return torch.stack(decided).view(scores.shape)

    def fitted(self) -> dict[str, Tensor]:
        """Return the sets: (..., M, K), bool; runs with fewer sets repeat their last."""
        if self._sets is None:
            return {}
        most = max(map(len, self._sets))
        padded = [torch.cat([sets, sets[-1:].expand(most - len(sets), -1)]) for sets in self._sets]
        return {"label_sets": torch.stack(padded).view(*self._leading, *padded[0].shape)}

    def fitted_shapes(self, shape: Size) -> dict[str, Size]:
        """Return the shape, with any number of sets of the same labels."""
        return {
            name: Size((*shape[:-2], sets.shape[-2], shape[-1]))
            for name, sets in self.fitted().items()
        }

    def described(self) -> dict[str, Any]:
        """Return the model, and the sets packed as eight labels to a byte."""
        packed = {}
        for name, sets in self.fitted().items():
            bits = np.packbits(sets.cpu().numpy(), axis=None).tobytes()
            packed[name] = {"shape": list(sets.shape), "bits": base64.b64encode(bits).decode()}
        return {"model": self.model, **packed}

    def restore(self, fitted: Mapping[str, Any]) -> Self:
        """Restore the sets, and the model if there is an entry for it."""
        sets = fitted["label_sets"]
        if isinstance(sets, Mapping):
            shape = tuple(sets["shape"])
            bits = np.frombuffer(base64.b64decode(sets["bits"]), dtype=np.uint8)
            sets = np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape)
        by_run = torch.as_tensor(sets).bool()
        self._stored_model = fitted.get("model")
        return self._keep(by_run)

    def _keep(self, targets: Tensor) -> Self:
        """Keep the distinct label sets of each run: (..., N, K)."""
        self._leading = targets.shape[:-2]
        self._sets = [distinct(run) for run in targets.reshape(-1, *targets.shape[-2:])]
        # In lexicographic order the empty set is the first.
        self._has_empty = tuple(not bool(sets[0].any()) for sets in self._sets)
        return self

    def _best(self, scores: Tensor, sets: Tensor, has_empty: bool) -> Tensor:
        """Return the best of sets (M, K) for each row of scores (N, K): (N, K), bool."""
        sets = sets.to(scores.device)
        least = int(self.options.at_least_one and has_empty)
        if len(sets) == least:
            return top_label(scores)
        if torch.compiler.is_exporting():
            return sets[self._best_index(scores, sets, least)]
        rows = max(1, _AT_ONCE // len(sets))
        return torch.cat(
            [sets[self._best_index(chunk, sets, least)] for chunk in scores.split(rows)]
        )

    def _best_index(self, scores: Tensor, sets: Tensor, least: int) -> Tensor:
        """Return the index, at least `least`, of each row's best set: (N,)."""
        weights = self._log_weights(scores.double(), sets.double())
        if self.options.maximise == "probability":
            return weights[:, least:].argmax(dim=-1) + least
        similarity = jaccard_of_sets if self.options.maximise == "expected_jaccard" else _f1
        share = weights.softmax(dim=-1)
        best = share.new_full(share.shape[:1], -torch.inf)
        index = torch.zeros_like(best, dtype=torch.long)
        numbers, size = sets.double(), max(1, _AT_ONCE // len(sets))
        for first in range(least, len(sets), size):
            value = share @ similarity(numbers[first : first + size], numbers).T
            highest, column = value.max(dim=-1)
            index = torch.where(highest > best, first + column, index)
            best = torch.maximum(highest, best)
        return index

    def _log_weights(self, scores: Tensor, sets: Tensor) -> Tensor:
        """Compute log-weights of sets (M, K) for scores (N, K): (N, M), finite so that none is NaN."""
        if self.model == "independent":
            return scores.clamp(EPSILON, 1 - EPSILON).logit() @ sets.T
        sizes = sets.sum(dim=1)
        shares = scores / scores.sum(dim=-1, keepdim=True).clamp(min=EPSILON)
        weights = (shares.clamp(min=EPSILON).log() @ sets.T) / sizes.clamp(min=1)
        return weights.masked_fill(sizes == 0, _IMPOSSIBLE) + sizes.clamp(min=1).log()


def distinct(targets: Tensor) -> Tensor:
    """Return the distinct label sets in lexicographic order: (N, K) to (M, K), bool, on the CPU."""
    sets = targets.bool().cpu().numpy()
    first, _, _ = distinct_rows(sets)
    return torch.from_numpy(sets[first])


def _f1(candidates: Tensor, sets: Tensor) -> Tensor:
    """Compute the F1 of candidates (C, K) with sets (M, K): (C, M); 1 for two empty sets."""
    total = candidates.sum(dim=1, keepdim=True) + sets.sum(dim=1)
    return torch.where(total > 0, 2 * (candidates @ sets.T) / total.clamp(min=1), 1)
