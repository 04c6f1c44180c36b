"""Label sets as numbers, most significant bit first ([1, 0, 0, 1] is 9), and those that occur."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from mlc.heads.base import KnownLabels

# With more labels, joint heads list the label sets that were observed instead of all 2^K.
MOST_LABELS = 16
# Probabilities of 0 and 1 have logits all the same.
EPSILON = 1e-14


def all_label_sets(n_labels: int, device: torch.device | None = None) -> Tensor:
    """Every label set, row i being the binary digits of i: (2^K, K), bool.

    >>> all_label_sets(2).int().tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    index = torch.arange(2**n_labels, device=device)
    return (index[:, None] & _place_values(n_labels, device)) > 0


def label_set_index(targets: Tensor) -> Tensor:
    """The number of each label set: (..., K) of zeros and ones to (...), int64.

    >>> label_set_index(torch.tensor([1, 0, 1, 0])).item()
    10
    """
    return (targets.long() * _place_values(targets.shape[-1], targets.device)).sum(dim=-1)


def fold_marginals(joint: Tensor, n_labels: int) -> Tensor:
    """P(y_k = 1) from probabilities over all 2^K label sets: (..., 2^K) to (..., K).

    Folded once in the middle, to the joint of the first half of the labels and that of the second:
    two sums over the array, which take a third of the time of folding label by label.
    """
    n_first = n_labels // 2
    n_second = n_labels - n_first
    halves = joint.unflatten(-1, (2**n_first, 2**n_second))
    sizes = (halves.sum(dim=-1), n_first), (halves.sum(dim=-2), n_second)
    parts = [part @ all_label_sets(n, joint.device).to(joint.dtype) for part, n in sizes]
    return torch.cat(parts, dim=-1)


def fold_shares(joint: Tensor, n_labels: int) -> Tensor:
    """E[y_k / |y|], 0 counting where there is no label: (..., 2^K) to (..., K)."""
    label_sets = all_label_sets(n_labels, joint.device).to(joint.dtype)
    return joint @ (label_sets / label_sets.sum(dim=1, keepdim=True).clamp(min=1))


def log_probability(logits: Tensor, targets: Tensor) -> Tensor:
    """Of label sets under a softmax over all of them: (..., 2^K) and (..., K) to (...)."""
    index = label_set_index(targets).unsqueeze(-1)
    # torch's kernel for it is twice as fast as logsumexp with its gradient.
    return logits.log_softmax(dim=-1).gather(-1, index).squeeze(-1)


class ObservedSets(nn.Module):
    """The distinct label sets of the known rows, and which of them each run has seen in training.

    Listed for all runs alike, so that a run's classes do not depend on its company; what a run has not
    seen often enough is masked. A softmax over a run's classes knows nothing of all other label sets.
    Their mass is Good and Turing's estimate, which gives the sets with r rows (r + 1) N_{r+1} / N
    together, N_r being the number of sets with r rows (Good 1953, "The population frequencies of
    species"): the sum of r N_r / N over r <= min_count, half a row added; it is spread evenly. In
    other words, a row counts whose set would be no class without that row.

    Attributes:
        label_sets: (M, K), bool.
        seen: (R, 1, M), bool.
        log_unseen: (R, 1), log-probability of each single label set that the run has not seen.
        log_rest: (R, 1), log of what is left for those it has.
    """

    seen: Tensor
    log_unseen: Tensor
    log_rest: Tensor
    _label_sets: Tensor
    _codes: Tensor
    _order: Tensor
    _places: Tensor

    def __init__(self, known: KnownLabels, min_count: int = 1) -> None:
        super().__init__()
        n_runs, n_labels = len(known.rows), known.targets.shape[1]
        label_sets, number = known.distinct
        counts = torch.zeros(n_runs, len(label_sets), dtype=torch.int64)
        of_rows = number[known.rows]
        counts.scatter_add_(1, of_rows, torch.ones_like(of_rows))
        # Where no label set is that frequent, the most frequent ones serve.
        least = counts.amax(dim=1, keepdim=True).clamp(max=min_count)
        seen = counts >= least
        rare = _rows_of_no_class_alone(counts, min_count)
        # In logarithms, for 2^K may be beyond what a float can hold.
        share = seen.sum(dim=1).double() * 2.0**-n_labels
        unseen = torch.where(share < 1, (rare + 0.5) / (known.rows.shape[1] + 1), 0.0)
        log_left = n_labels * math.log(2) + torch.log1p(-share)
        log_unseen = torch.where(share < 1, unseen.log() - log_left, -torch.inf)

        # A sum of random multiples tells the sets apart; a lookup compares the sets themselves.
        draw = torch.Generator().manual_seed(n_labels)
        places = torch.randint(-(2**62), 2**62, (n_labels,), generator=draw)
        codes, order = (label_sets.long() * places).sum(dim=1).sort()
        self.register_buffer("_label_sets", label_sets.expand(n_runs, -1, -1).clone())
        self.register_buffer("_codes", codes, persistent=False)
        self.register_buffer("_order", order, persistent=False)
        self.register_buffer("_places", places, persistent=False)
        self.register_buffer("seen", seen.unsqueeze(1))
        self.register_buffer("log_unseen", log_unseen.unsqueeze(1))
        self.register_buffer("log_rest", (1 - unseen).log().unsqueeze(1))

    @property
    def label_sets(self) -> Tensor:
        """The distinct label sets: (M, K), bool."""
        return self._label_sets[0]

    def log_softmax(self, logits: Tensor) -> Tensor:
        """Over the label sets that each run has seen: (R, B, M) likewise."""
        # Added, for a fill by a mask that is broadcast takes several times as long.
        closed = logits.new_zeros(self.seen.shape).masked_fill(~self.seen, -torch.inf)
        return (logits + closed).log_softmax(dim=-1)

    def log_likelihood(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Log-probability of any label set, seen or not: (R, B, M) and (R, B, K) to (R, B)."""
        code = (targets.long() * self._places).sum(dim=-1)
        place = self._order[torch.searchsorted(self._codes, code).clamp(max=len(self._codes) - 1)]
        listed = self.label_sets.index_select(0, place.flatten()).view(targets.shape)
        found = (listed == targets.bool()).all(dim=-1)
        has_class = found & self.seen.expand(-1, code.shape[1], -1).gather(
            -1, place.unsqueeze(-1)
        ).squeeze(-1)
        # Any class serves where there is none: its value is not used.
        place = torch.where(has_class, place, self.seen.long().argmax(dim=-1))
        chosen = self.log_softmax(logits).gather(-1, place.unsqueeze(-1)).squeeze(-1)
        log_seen = chosen + self.log_rest.to(logits.dtype)
        return torch.where(has_class, log_seen, self.log_unseen.to(logits.dtype))


def _rows_of_no_class_alone(counts: Tensor, min_count: int) -> Tensor:
    """How many rows have a label set that would be no class without that row: (R, M) to (R,).

    Rows of sets that occur `min_count` times at most, but for the most frequent sets, which are
    classes even where they are rarer.
    """
    highest = counts.amax(dim=1, keepdim=True)
    is_highest = counts == highest
    # Without one of its rows, a set that alone is the most frequent leaves a lower maximum.
    alone = is_highest & (is_highest.sum(dim=1, keepdim=True) == 1)
    most_without = highest - alone.long()
    least_without = most_without.clamp(max=min_count).clamp(min=1)
    return (counts * (counts - 1 < least_without)).sum(dim=1).double()


def _place_values(n_labels: int, device: torch.device | None) -> Tensor:
    return 2 ** torch.arange(n_labels - 1, -1, -1, device=device)
