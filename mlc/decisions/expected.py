"""Rules that maximise the expected value of a metric per sample."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mlc.decisions.base import DecisionRule, register_decision
from mlc.decisions.counting import highest
from mlc.decisions.sums import one_more, sums_of_prefixes
from mlc.heads.label_sets import all_label_sets
from mlc.heads.prediction import Prediction

# Up to this number of pairs of candidate and label set, every label set is a candidate.
_MOST_PAIRS = 2**24
_MOST_PROBABLE = 32
# Sizes tried for all samples; larger ones only for samples in which a larger set could be the best.
_SMALL = 16
_TINY = 1e-12
_ROUNDING = 1e-9
# More pairs at once leave the processor's cache and take ten times as long.
_PAIRS_AT_ONCE = 2**20


@dataclass
class ExpectedOptions:
    """Whether each label set has at least one label."""

    at_least_one: bool = False


class ExpectedRule(DecisionRule):
    """Base class of rules that predict the label set with the highest expected value of a metric.

    The expectation is under the joint, or with independent labels. With `at_least_one` the empty set is
    not tried.
    """

    Options = ExpectedOptions
    needs: ClassVar[tuple[str, ...]] = ("joint", "marginals")

    def by_joint(self, prediction: Prediction) -> Tensor:
        """Return the maximiser under the joint: (..., N, K), bool."""
        label_sets, joint = prediction.label_sets, prediction.log_joint.detach().double().exp()
        assert label_sets is not None
        decided = self.best_set(joint.flatten(0, -2), label_sets)
        return decided.view(*joint.shape[:-1], label_sets.shape[-1])

    def by_scores(self, scores: Tensor) -> Tensor:
        """Return the maximiser with independent labels: (..., N, K), bool."""
        order = scores.double().argsort(dim=-1, descending=True, stable=True)
        size = self.best_prefix(scores.double().gather(-1, order).flatten(0, -2))
        return highest(scores, size.view(scores.shape[:-1]))

    def best_set(self, joint: Tensor, label_sets: Tensor) -> Tensor:
        """Return the maximiser for probabilities (N, M) of label sets (M, K): (N, K), bool."""
        raise NotImplementedError

    def best_prefix(self, marginals: Tensor) -> Tensor:
        """Return how many independent labels to take: marginals (N, K), descending, to (N,)."""
        raise NotImplementedError

    def _best_size(
        self, marginals: Tensor, possible: Tensor, expected: Callable[[int, Tensor, Tensor], Tensor]
    ) -> Tensor:
        """Return the size with the highest expectation, the smallest of equals: (N, K) to (N,).

        `possible`, (N, K), marks the sizes from 1 that could be the best. `expected` takes a size, rows,
        and the distribution of the number of true labels outside the prefix, (rows, K + 1).
        """
        n_labels = marginals.shape[1]
        without = marginals.new_zeros(marginals.shape[0], n_labels + 1)
        without[:, 0] = 1
        values = torch.full_like(without, -1)
        for size in range(n_labels, 0, -1):
            rows = possible[:, size - 1].nonzero().squeeze(1)
            if len(rows):
                values[rows, size] = expected(size, rows, without[rows])
            without = one_more(without, marginals[:, size - 1])
        if not self.options.at_least_one:
            values[:, 0] = without[:, 0]
        return values.argmax(dim=-1)

    def _best_of_all(self, values: Tensor, without: Tensor) -> Tensor:
        """Return the size with the highest value, the smallest of equals: (N, K) to (N,).

        In a program that is exported, no shape depends on a value: all sizes are tried at once.
        `without[:, 0]` is the distribution of the number of all true labels.
        """
        empty = without[:, 0, :1]
        if self.options.at_least_one:
            empty = torch.full_like(empty, -1)
        return torch.cat([empty, values], dim=-1).argmax(dim=-1)


@register_decision("expected_jaccard")
class ExpectedJaccard(ExpectedRule):
    """A rule that maximises the expected Jaccard index of each sample.

    From a joint it is exact, by trying every label set, while all label sets and the M of the joint
    make at most 2^24 pairs (K = 12 for a full joint). Beyond that it is an approximation: the best of
    the 32 most probable label sets and of the sets of labels with the highest marginals. No polynomial
    algorithm is known (Chierichetti et al. 2010, "Finding the Jaccard median"). With independent labels
    the best set of each size has the highest marginals, which increase the expected intersection and
    decrease the rest, so one search over sizes is exact.

    Use: for the Jaccard index without validation rows, from a joint or from good marginals.
    Avoid: with sigmoids and very many labels: on bibtex one tuned threshold is far ahead of it
    (experiments/thresholds).
    """

    def best_set(self, joint: Tensor, label_sets: Tensor) -> Tensor:
        """Return the best of all label sets, or of candidates if there are too many."""
        n_sets, n_labels = label_sets.shape
        least = int(self.options.at_least_one)
        if n_labels < 25 and 2**n_labels * n_sets <= _MOST_PAIRS:
            # The empty set comes first.
            candidates = all_label_sets(n_labels, joint.device)[least:]
            values = jaccard_of_sets(candidates.double(), label_sets.double())
            return candidates[(joint @ values.T).argmax(dim=-1)]
        marginals = joint @ label_sets.double()
        probable = label_sets[joint.topk(min(_MOST_PROBABLE, n_sets), dim=-1).indices]
        traced = torch.compiler.is_exporting()
        small = _prefixes(marginals, least, n_labels if traced else min(_SMALL, n_labels))
        if least:
            # The first prefix stands in for the empty set.
            probable = torch.where(probable.any(dim=-1, keepdim=True), probable, small[:, :1])
        best, value = _best_of(torch.cat([probable, small], dim=1), joint, label_sets)
        if traced:
            return best
        # A set of size s is worth at most E|y| / s.
        largest = (marginals.sum(dim=-1) / value.clamp(min=_TINY)).clamp(max=n_labels)
        more = (largest > _SMALL).nonzero().squeeze(1)
        if len(more):
            prefixes = _prefixes(marginals[more], _SMALL + 1, math.ceil(float(largest.max())))
            larger, larger_value = _best_of(prefixes, joint[more], label_sets)
            better = larger_value > value[more]
            best[more[better]] = larger[better]
        return best

    def best_prefix(self, marginals: Tensor) -> Tensor:
        """Maximise E[J] = E[true within] E[1 / (size + true without)]; P(no label) for the empty set."""
        within = marginals.cumsum(dim=-1)
        if torch.compiler.is_exporting():
            without = sums_of_prefixes(marginals.flip(-1)).flip(1)
            numbers = torch.arange(without.shape[1], device=marginals.device)
            shares = (without[:, 1:] / (numbers[1:, None] + numbers)).sum(dim=-1)
            return self._best_of_all(within * shares, without)

        def expected(size: int, rows: Tensor, without: Tensor) -> Tensor:
            union = size + torch.arange(without.shape[1], device=without.device)
            return within[rows, size - 1] * (without / union).sum(dim=-1)

        sizes = torch.arange(1, marginals.shape[1] + 1, device=marginals.device)
        # At least by Jensen's inequality, at most where nothing is true without.
        lower, upper = within / (sizes + within[:, -1:] - within), within / sizes
        return self._best_size(marginals, _may_win(lower, upper), expected)


@register_decision("expected_f1")
class ExpectedF1(ExpectedRule):
    r"""A rule that maximises the expected F1 of each sample.

    From a joint, or from $`P(y_k = 1, \lvert y \rvert = s)`$ alone (the head `f_measure`), it is exact,
    by the general F-measure maximiser: the best set of size n takes the labels with the largest
    $`\sum_s 2 P(y_k = 1, \lvert y \rvert = s) / (s + n)`$ (Dembczynski et al. 2011, "An exact algorithm
    for F-measure maximization"). With independent labels the best set has the highest marginals
    (Lewis 1995, "Evaluating and optimizing autonomous text classification systems"), and one search
    over sizes is exact.

    Use: for the F1 of each sample without validation rows, from a joint or from good marginals, or
    with the head `f_measure`.
    """

    needs = ("joint", "sizes", "marginals")

    def by_sizes(self, sizes: Tensor) -> Tensor:
        """Return the maximiser by the probabilities of labels and sizes: (..., N, K), bool."""
        n_labels = math.isqrt(sizes.shape[-1] - 1)
        nothing, pairs = sizes.double().flatten(0, -2).tensor_split([1], dim=-1)
        decided = self._from_table(pairs.unflatten(-1, (n_labels, n_labels)), nothing)
        return decided.view(*sizes.shape[:-1], n_labels)

    def best_set(self, joint: Tensor, label_sets: Tensor) -> Tensor:
        """Apply the general F-measure maximiser."""
        n_labels, sizes = label_sets.shape[1], label_sets.sum(dim=1)
        by_size = []
        for count in range(1, n_labels + 1):
            of_size = sizes == count
            if torch.compiler.is_exporting():
                part = torch.where(of_size, joint, 0) @ label_sets.to(joint.dtype)
            else:
                part = joint[:, of_size] @ label_sets[of_size].to(joint.dtype)
            by_size.append(part)
        table = torch.stack(by_size, dim=2)
        return self._from_table(table, torch.where(sizes == 0, joint, 0).sum(dim=-1, keepdim=True))

    def _from_table(self, table: Tensor, nothing: Tensor) -> Tensor:
        """Return the maximiser for P(y_k = 1, |y| = s), (N, K, K), and P(no label), (N, 1)."""
        n_labels = table.shape[1]
        numbers = torch.arange(1, n_labels + 1, device=table.device)
        gains = table @ (2 / (numbers.unsqueeze(1) + numbers)).to(table.dtype)
        # The best set of size s takes the s largest gains of column s.
        ranked = gains.sort(dim=1, descending=True, stable=True).values.cumsum(dim=1)
        values = torch.diagonal(ranked, dim1=1, dim2=2)
        if self.options.at_least_one:
            nothing = torch.full_like(nothing, -1)
        size = torch.cat([nothing, values], dim=-1).argmax(dim=-1)
        column = (size - 1).clamp(min=0)[:, None, None].expand(-1, n_labels, 1)
        return highest(gains.gather(2, column).squeeze(2), size)

    def best_prefix(self, marginals: Tensor) -> Tensor:
        """Take the expectation over the numbers of true labels within the prefix and without."""
        n_labels = marginals.shape[1]
        count = torch.arange(n_labels + 1, device=marginals.device)
        if torch.compiler.is_exporting():
            inside, outside = (sums_of_prefixes(p) for p in (marginals, marginals.flip(-1)))
            outside = outside.flip(1)
            values = 2 * count[:, None] / (count[1:, None, None] + count[:, None] + count)
            by_size = inside[:, 1:].transpose(0, 1) @ values.to(inside.dtype)
            expectation = (by_size.transpose(0, 1) * outside[:, 1:]).sum(dim=-1)
            return self._best_of_all(expectation, outside)
        true = marginals.cumsum(dim=-1)
        # E[2 I / (s + I + W)], I true within and W without: at least (I <= s, Jensen), at most (I >= 1).
        lower = 2 * true / (2 * count[1:] + true[:, -1:] - true)
        upper = 2 * true / (count[1:] + 1)
        possible = _may_win(lower, upper)
        within = [marginals.new_zeros(marginals.shape[0], n_labels + 1)]
        within[0][:, 0] = 1
        for p in marginals[:, : int((possible.any(dim=0) * count[1:]).max())].unbind(dim=1):
            within.append(one_more(within[-1], p))

        def expected(size: int, rows: Tensor, without: Tensor) -> Tensor:
            true = count.unsqueeze(1)
            value = 2 * true / (size + true + count)
            return ((within[size][rows] @ value.to(without.dtype)) * without).sum(dim=-1)

        return self._best_size(marginals, possible, expected)


def _may_win(lower: Tensor, upper: Tensor) -> Tensor:
    """Return which sizes could be the best, by bounds (N, K) of their values: (N, K), bool."""
    return upper >= lower.max(dim=-1, keepdim=True).values * (1 - _ROUNDING)


def _prefixes(marginals: Tensor, least: int, most: int) -> Tensor:
    """Return the sets of labels with the highest marginals, by size: (N, K) to (N, sizes, K), bool."""
    sizes = torch.arange(least, most + 1, device=marginals.device)
    return highest(marginals.unsqueeze(1), sizes.expand(marginals.shape[0], -1))


def _best_of(candidates: Tensor, joint: Tensor, label_sets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the best of candidates (N, C, K), (N, K), and its expected Jaccard index, (N,)."""
    value, index = _expected_jaccard(candidates, joint, label_sets).max(dim=1)
    return candidates[torch.arange(joint.shape[0], device=joint.device), index], value


def _expected_jaccard(candidates: Tensor, joint: Tensor, label_sets: Tensor) -> Tensor:
    """Compute the values of candidates (N, C, K) for P (N, M) of label sets (M, K): (N, C), float32."""
    rows = max(1, _PAIRS_AT_ONCE // (candidates.shape[1] * len(label_sets)))
    sets, sizes = label_sets.float().T.contiguous(), label_sets.float().sum(dim=1)
    chunks = [(candidates.float(), joint.float())]
    if not torch.compiler.is_exporting():
        parts = candidates.float().split(rows), joint.float().split(rows)
        chunks = list(zip(*parts, strict=True))
    values = []
    for chunk, p in chunks:
        size = chunk.sum(dim=-1, keepdim=True)
        both = chunk @ sets
        # The empty candidate has nothing in common with any set, and is worth P(no label).
        shares = both.div_((size.clamp(min=1) + sizes).sub_(both))
        empty = torch.where(sizes == 0, p, 0).sum(dim=1, keepdim=True)
        values.append((shares @ p.unsqueeze(-1)).squeeze(-1) + empty * (size.squeeze(-1) == 0))
    return torch.cat(values)


def jaccard_of_sets(candidates: Tensor, label_sets: Tensor) -> Tensor:
    """Compute the Jaccard index of candidates (C, K) with label sets (M, K): (C, M)."""
    both = candidates @ label_sets.T
    either = candidates.sum(dim=1, keepdim=True) + label_sets.sum(dim=1) - both
    return torch.where(either > 0, both / either.clamp(min=1), 1)
