"""Rules that maximise the expected value of a metric of single samples."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mlc.decisions.base import DecisionRule, register_decision
from mlc.decisions.counting import highest
from mlc.heads.label_sets import all_label_sets
from mlc.heads.prediction import Prediction

# Pairs of candidate and label set, of all samples, up to which every label set is tried.
_MOST_PAIRS = 2**24
_MOST_PROBABLE = 32
# Sizes tried for all samples; beyond, only for those in which a larger set could be the best.
_SMALL = 16
_TINY = 1e-12
_ROUNDING = 1e-9
# More would not stay in the processor's cache, at ten times the time.
_PAIRS_AT_ONCE = 2**20


class ExpectedRule(DecisionRule):
    """The label set with the highest expected value, under the joint or with independent labels."""

    needs = ("joint", "marginals")

    def by_joint(self, prediction: Prediction) -> Tensor:
        """The maximiser under the joint: (..., N, K), bool."""
        label_sets, joint = prediction.label_sets, prediction.log_joint.detach().double().exp()
        assert label_sets is not None
        decided = self.best_set(joint.flatten(0, -2), label_sets)
        return decided.view(*joint.shape[:-1], label_sets.shape[-1])

    def by_scores(self, scores: Tensor) -> Tensor:
        """The maximiser with independent labels: (..., N, K), bool."""
        order = scores.double().argsort(dim=-1, descending=True, stable=True)
        size = self.best_prefix(scores.double().gather(-1, order).flatten(0, -2))
        return highest(scores, size.view(scores.shape[:-1]))

    def best_set(self, joint: Tensor, label_sets: Tensor) -> Tensor:
        """The maximiser for probabilities (N, M) of label sets (M, K): (N, K), bool."""
        raise NotImplementedError

    def best_prefix(self, marginals: Tensor) -> Tensor:
        """How many of independent labels to take: (N, K), in descending order, to (N,)."""
        raise NotImplementedError


@register_decision("expected_jaccard")
class ExpectedJaccard(ExpectedRule):
    """Maximises the expected Jaccard index of the sample.

    From a joint by trying every label set while these and the joint's M make up to 2^24 pairs (K = 12
    for a full joint), so exactly; beyond that, among the 32 most probable label sets and those of the
    labels with the highest marginals, an approximation. There is no known polynomial algorithm
    (Chierichetti et al. 2010, "Finding the Jaccard median"). With independent labels the best set of a
    size has the highest marginals, for these raise the expected intersection and lower the rest at
    once; so one search over sizes is exact.
    """

    def best_set(self, joint: Tensor, label_sets: Tensor) -> Tensor:
        """Brute force, or among candidates."""
        n_sets, n_labels = label_sets.shape
        if n_labels < 25 and 2**n_labels * n_sets <= _MOST_PAIRS:
            candidates = all_label_sets(n_labels, joint.device)
            values = _jaccard(candidates.double(), label_sets.double())
            return candidates[(joint @ values.T).argmax(dim=-1)]
        marginals = joint @ label_sets.double()
        probable = label_sets[joint.topk(min(_MOST_PROBABLE, n_sets), dim=-1).indices]
        small = _prefixes(marginals, 0, min(_SMALL, n_labels))
        best, value = _best_of(torch.cat([probable, small], dim=1), joint, label_sets)
        # A set of size s is worth at most E|y| / s.
        largest = (marginals.sum(dim=-1) / value.clamp(min=_TINY)).clamp(max=n_labels)
        more = (largest > _SMALL).nonzero().squeeze(1)
        if len(more):
            prefixes = _prefixes(marginals[more], _SMALL + 1, math.ceil(float(largest.max())))
            larger, its_value = _best_of(prefixes, joint[more], label_sets)
            better = its_value > value[more]
            best[more[better]] = larger[better]
        return best

    def best_prefix(self, marginals: Tensor) -> Tensor:
        """E[J] = E[true within] E[1 / (size + true without)]; the empty set's is P(no label)."""
        within = marginals.cumsum(dim=-1)

        def expected(size: int, rows: Tensor, without: Tensor) -> Tensor:
            union = size + torch.arange(without.shape[1], device=without.device)
            return within[rows, size - 1] * (without / union).sum(dim=-1)

        sizes = torch.arange(1, marginals.shape[1] + 1, device=marginals.device)
        # At least by Jensen's inequality, at most where nothing is true without.
        lower, upper = within / (sizes + within[:, -1:] - within), within / sizes
        return _best_size(marginals, _may_win(lower, upper), expected)


@register_decision("expected_f1")
class ExpectedF1(ExpectedRule):
    """Maximises the expected F1 of the sample.

    From a joint exactly, by the general F-measure maximiser: from P(y_k = 1, |y| = s) the best set of
    each size takes the labels with the largest sum_s 2 P(y_k = 1, |y| = s) / (s + size) (Dembczynski
    et al. 2011, "An exact algorithm for F-measure maximization"). With independent labels the best set
    has the highest marginals (Lewis 1995, "Evaluating and optimizing autonomous text classification
    systems"), and one search over sizes is exact.
    """

    def best_set(self, joint: Tensor, label_sets: Tensor) -> Tensor:
        """The general F-measure maximiser."""
        n_labels, sizes = label_sets.shape[1], label_sets.sum(dim=1)
        table = joint.new_zeros(len(joint), n_labels, n_labels)
        for count in range(1, n_labels + 1):
            of_size = sizes == count
            table[:, :, count - 1] = joint[:, of_size] @ label_sets[of_size].to(joint.dtype)
        numbers = torch.arange(1, n_labels + 1, device=joint.device)
        gains = table @ (2 / (numbers.unsqueeze(1) + numbers)).to(joint.dtype)
        # The best set of size s takes the s largest gains of column s.
        ranked = gains.sort(dim=1, descending=True, stable=True).values.cumsum(dim=1)
        values = torch.diagonal(ranked, dim1=1, dim2=2)
        nothing = joint[:, sizes == 0].sum(dim=-1, keepdim=True)
        size = torch.cat([nothing, values], dim=-1).argmax(dim=-1)
        column = (size - 1).clamp(min=0)[:, None, None].expand(-1, n_labels, 1)
        return highest(gains.gather(2, column).squeeze(2), size)

    def best_prefix(self, marginals: Tensor) -> Tensor:
        """The expectation over how many are true within the prefix and how many without."""
        n_labels = marginals.shape[1]
        count = torch.arange(n_labels + 1, device=marginals.device)
        true = marginals.cumsum(dim=-1)
        # E[2 I / (s + I + W)], I true within and W without: at least (I <= s, Jensen), at most (I >= 1).
        lower = 2 * true / (2 * count[1:] + true[:, -1:] - true)
        upper = 2 * true / (count[1:] + 1)
        possible = _may_win(lower, upper)
        within = [marginals.new_zeros(len(marginals), n_labels + 1)]
        within[0][:, 0] = 1
        for p in marginals[:, : int((possible.any(dim=0) * count[1:]).max())].unbind(dim=1):
            within.append(_one_more(within[-1], p))

        def expected(size: int, rows: Tensor, without: Tensor) -> Tensor:
            true = count.unsqueeze(1)
            value = 2 * true / (size + true + count)
            return ((within[size][rows] @ value.to(without.dtype)) * without).sum(dim=-1)

        return _best_size(marginals, possible, expected)


def _may_win(lower: Tensor, upper: Tensor) -> Tensor:
    """Which sizes are not behind another for certain: bounds (N, K) to (N, K), bool."""
    return upper >= lower.max(dim=-1, keepdim=True).values * (1 - _ROUNDING)


def _best_size(
    marginals: Tensor, possible: Tensor, expected: Callable[[int, Tensor, Tensor], Tensor]
) -> Tensor:
    """The size with the highest expectation, the smallest of equals: (N, K) to (N,).

    `possible` says which sizes from 1 could be the best, (N, K); `expected` takes a size, rows, and
    the distribution of how many of their other labels are true, (rows, K + 1).
    """
    n_labels = marginals.shape[1]
    without = marginals.new_zeros(len(marginals), n_labels + 1)
    without[:, 0] = 1
    values = torch.full_like(without, -1)
    for size in range(n_labels, 0, -1):
        rows = possible[:, size - 1].nonzero().squeeze(1)
        if len(rows):
            values[rows, size] = expected(size, rows, without[rows])
        without = _one_more(without, marginals[:, size - 1])
    values[:, 0] = without[:, 0]
    return values.argmax(dim=-1)


def _one_more(distribution: Tensor, p: Tensor) -> Tensor:
    """Of a sum with one more zero or one, which is one with probability p: (N, K + 1) and (N,)."""
    p = p.unsqueeze(-1)
    more = distribution * (1 - p)
    more[:, 1:] += distribution[:, :-1] * p
    return more


def _prefixes(marginals: Tensor, least: int, most: int) -> Tensor:
    """The sets of the labels with the highest marginals, by size: (N, K) to (N, sizes, K), bool."""
    sizes = torch.arange(least, most + 1, device=marginals.device)
    return highest(marginals.unsqueeze(1), sizes.expand(len(marginals), -1))


def _best_of(candidates: Tensor, joint: Tensor, label_sets: Tensor) -> tuple[Tensor, Tensor]:
    """The first of the best of candidates (N, C, K), and its expected Jaccard index: (N, K), (N,)."""
    value, place = _expected_jaccard(candidates, joint, label_sets).max(dim=1)
    return candidates[torch.arange(len(joint), device=joint.device), place], value


def _expected_jaccard(candidates: Tensor, joint: Tensor, label_sets: Tensor) -> Tensor:
    """Of candidates (N, C, K) for probabilities (N, M) of label sets (M, K): (N, C), float32."""
    rows = max(1, _PAIRS_AT_ONCE // (candidates.shape[1] * len(label_sets)))
    sets, sizes = label_sets.float().T.contiguous(), label_sets.float().sum(dim=1)
    values = []
    for some, own in zip(candidates.float().split(rows), joint.float().split(rows), strict=True):
        size = some.sum(dim=-1, keepdim=True)
        both = some @ sets
        # The empty candidate has nothing in common with any set, and is worth P(no label).
        shares = both.div_((size.clamp(min=1) + sizes).sub_(both))
        empty = own[:, sizes == 0].sum(dim=1, keepdim=True)
        values.append((shares @ own.unsqueeze(-1)).squeeze(-1) + empty * (size.squeeze(-1) == 0))
    return torch.cat(values)


def _jaccard(candidates: Tensor, label_sets: Tensor) -> Tensor:
    """Of candidates (..., C, K) with label sets (M, K): (..., C, M); 1 for two empty sets."""
    both = candidates @ label_sets.T
    either = candidates.sum(dim=-1).unsqueeze(-1) + label_sets.sum(dim=-1) - both
    return torch.where(either > 0, both / either.clamp(min=1), 1)
