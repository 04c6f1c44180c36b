"""Indices of label sets, most significant bit first ([1, 0, 0, 1] is 9), and observed label sets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mlc.heads.masking import agreeing, log_total

if TYPE_CHECKING:
    from mlc.heads.known import KnownLabels

# With more labels, joint heads list the observed label sets instead of all 2^K.
MOST_LABELS = 16
# Bound that keeps the logits of 0 and 1 finite.
EPSILON = 1e-14
# Pairs of a row and a label set that are compared at a time.
_AT_ONCE = 2**24


def all_label_sets(n_labels: int, device: torch.device | None = None) -> Tensor:
    """List every label set; row i holds the binary digits of i: (2^K, K), bool.

    >>> all_label_sets(2).int().tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    index = torch.arange(2**n_labels, device=device)
    return (index[:, None] & _place_values(n_labels, device)) > 0


def label_set_index(targets: Tensor) -> Tensor:
    """Compute the index of each label set: (..., K) of zeros and ones to (...), int64.

    >>> label_set_index(torch.tensor([1, 0, 1, 0])).item()
    10
    """
    return (targets.long() * _place_values(targets.shape[-1], targets.device)).sum(dim=-1)


def fold_marginals(joint: Tensor, n_labels: int) -> Tensor:
    """P(y_k = 1) from probabilities over all 2^K label sets: (..., 2^K) to (..., K).

    The joint is first reduced to the joints of the first and the second half of the labels: two sums
    over the array, which take a third of the time of one sum per label.
    """
    n_first = n_labels // 2
    n_second = n_labels - n_first
    halves = joint.unflatten(-1, (2**n_first, 2**n_second))
    sizes = (halves.sum(dim=-1), n_first), (halves.sum(dim=-2), n_second)
    parts = [part @ all_label_sets(n, joint.device).to(joint.dtype) for part, n in sizes]
    return torch.cat(parts, dim=-1)


def fold_shares(joint: Tensor, n_labels: int) -> Tensor:
    """E[y_k / |y|], with 0 for the empty set: (..., 2^K) to (..., K)."""
    label_sets = all_label_sets(n_labels, joint.device).to(joint.dtype)
    return joint @ (label_sets / label_sets.sum(dim=1, keepdim=True).clamp(min=1))


def log_probability(logits: Tensor, targets: Tensor) -> Tensor:
    """Log-probability of label sets under a softmax over all: (..., 2^K) and (..., K) to (...)."""
    index = label_set_index(targets).unsqueeze(-1)
    # With its gradient, twice as fast as logsumexp.
    return logits.log_softmax(dim=-1).gather(-1, index).squeeze(-1)


class ObservedSets(nn.Module):
    """The distinct label sets of the known rows, and those that each run has seen in training.

    The list is the same for all runs, so that a run's classes do not depend on the other runs; label
    sets that a run has not seen often enough are masked. A softmax over a run's classes gives all other
    label sets no probability. Their total probability is the Good-Turing estimate, by which all sets
    with r rows together have the probability (r + 1) N_{r+1} / N, where N_r is the number of sets with
    r rows (Good 1953, "The population frequencies of species"): the sum of r N_r / N over
    r <= min_count, plus half a row. It is divided evenly among them. In other words, it is the share of
    rows whose set would not be a class without that row.

    With missing labels, only the rows count whose labels are all known, and those that agree with none
    of these rows, whose missing labels are then taken as negative.

    Attributes:
        label_sets: (M, K), bool.
        seen: (R, 1, M), bool.
        log_unseen: (R, 1), log-probability of each label set that the run has not seen.
        log_rest: (R, 1), log of the total probability of those that it has seen.
    """

    seen: Tensor
    log_unseen: Tensor
    log_rest: Tensor
    _label_sets: Tensor
    _codes: Tensor
    _order: Tensor
    _multipliers: Tensor

    def __init__(self, known: KnownLabels, min_count: int = 1) -> None:
        super().__init__()
        n_runs, n_labels = len(known.rows), known.targets.shape[1]
        label_sets, index = known.distinct
        counts = torch.zeros(n_runs, len(label_sets), dtype=torch.int64)
        of_rows = index[known.rows]
        counts.scatter_add_(1, of_rows, _rows_that_count(known, counts, of_rows).long())
        # If no label set is that frequent, the most frequent ones are the classes.
        least = counts.amax(dim=1, keepdim=True).clamp(max=min_count)
        seen = counts >= least
        rare = _rows_that_make_a_class(counts, min_count)
        # In logarithms, since 2^K can exceed the range of a float.
        share = seen.sum(dim=1).double() * 2.0**-n_labels
        n_rows = counts.sum(dim=1).double()
        unseen = torch.where(share < 1, (rare + 0.5) / (n_rows + 1), 0.0)
        log_left = n_labels * math.log(2) + torch.log1p(-share)
        log_unseen = torch.where(share < 1, unseen.log() - log_left, -torch.inf)

        # A random hash of each set, by which it is looked up; equality is checked on the sets.
        generator = torch.Generator().manual_seed(n_labels)
        multipliers = torch.randint(-(2**62), 2**62, (n_labels,), generator=generator)
        codes, order = (label_sets.long() * multipliers).sum(dim=1).sort()
        self.register_buffer("_label_sets", label_sets.expand(n_runs, -1, -1).clone())
        self.register_buffer("_codes", codes, persistent=False)
        self.register_buffer("_order", order, persistent=False)
        self.register_buffer("_multipliers", multipliers, persistent=False)
        self.register_buffer("seen", seen.unsqueeze(1))
        self.register_buffer("log_unseen", log_unseen.unsqueeze(1))
        self.register_buffer("log_rest", (1 - unseen).log().unsqueeze(1))

    @property
    def label_sets(self) -> Tensor:
        """The distinct label sets: (M, K), bool."""
        return self._label_sets[0]

    def log_softmax(self, logits: Tensor) -> Tensor:
        """Log-softmax over the label sets that each run has seen: (R, B, M) to (R, B, M)."""
        # A sum, since masked_fill with a broadcast mask takes several times as long.
        mask = logits.new_zeros(self.seen.shape).masked_fill(~self.seen, -torch.inf)
        return (logits + mask).log_softmax(dim=-1)

    def log_likelihood(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Log-probability of any label set, seen or not: (R, B, M) and (R, B, K) to (R, B)."""
        code = (targets.long() * self._multipliers).sum(dim=-1)
        index = self._order[torch.searchsorted(self._codes, code).clamp(max=len(self._codes) - 1)]
        listed = self.label_sets.index_select(0, index.flatten()).view(targets.shape)
        is_listed = (listed == targets.bool()).all(dim=-1)
        has_class = is_listed & self.seen.expand(-1, code.shape[1], -1).gather(
            -1, index.unsqueeze(-1)
        ).squeeze(-1)
        # Without a class the index must be valid, but the value is not used.
        index = torch.where(has_class, index, self.seen.long().argmax(dim=-1))
        among_seen = self.log_softmax(logits).gather(-1, index.unsqueeze(-1)).squeeze(-1)
        log_seen = among_seen + self.log_rest.to(logits.dtype)
        return torch.where(has_class, log_seen, self.log_unseen.to(logits.dtype))

    def masked_log_likelihood(self, logits: Tensor, targets: Tensor, known: Tensor) -> Tensor:
        """Log of the total probability of all label sets with the known labels, seen or not: (R, B).

        Args:
            logits: (R, B, M).
            targets: (R, B, K), 0 where not known.
            known: (R, B, K), bool.
        """
        agrees = agreeing(self.label_sets, targets, known) & self.seen
        log_seen = log_total(self.log_softmax(logits), agrees) + self.log_rest.to(logits.dtype)
        # Of the 2^u sets of u unknown labels, those that the run has not seen; in logarithms.
        n_unknown = (~known).sum(dim=-1).double()
        unseen = torch.log1p(-agrees.sum(dim=-1) * 2.0**-n_unknown)
        log_unseen = self.log_unseen + n_unknown * math.log(2) + unseen
        return torch.logaddexp(log_seen, log_unseen.to(logits.dtype))


def _rows_that_count(known: KnownLabels, counts: Tensor, of_rows: Tensor) -> Tensor:
    """Return which training rows of each run have a label set of their own: (R, n), bool.

    `counts` (R, M) are zeros, and `of_rows` (R, n) the indices of the rows' label sets.
    """
    if known.mask is None:
        return torch.ones_like(of_rows, dtype=torch.bool)
    counting = []
    label_sets, mask = known.distinct[0], known.mask
    for rows, index in zip(known.rows, of_rows, strict=True):
        is_complete = mask[rows].all(dim=1)
        sets = label_sets[index[is_complete].unique()]
        chunks = rows.split(max(1, _AT_ONCE // max(1, len(sets))))
        agrees = [
            agreeing(sets, known.targets[chunk].float(), mask[chunk]).any(dim=1) for chunk in chunks
        ]
        counting.append(is_complete | ~torch.cat(agrees))
    return torch.stack(counting)


def _rows_that_make_a_class(counts: Tensor, min_count: int) -> Tensor:
    """Count the rows whose label set would not be a class without that row: (R, M) to (R,).

    These are the rows of sets that occur at most `min_count` times, except the most frequent sets,
    which are classes even if they are rarer.
    """
    highest = counts.amax(dim=1, keepdim=True)
    is_highest = counts == highest
    # Without one row of the single most frequent set, the maximum is lower.
    is_single = is_highest & (is_highest.sum(dim=1, keepdim=True) == 1)
    most_without = highest - is_single.long()
    least_without = most_without.clamp(max=min_count).clamp(min=1)
    return (counts * (counts - 1 < least_without)).sum(dim=1).double()


def _place_values(n_labels: int, device: torch.device | None) -> Tensor:
    return 2 ** torch.arange(n_labels - 1, -1, -1, device=device)
