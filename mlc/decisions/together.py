"""Joint tuning of the thresholds of all labels, for label sets with at least one label."""

from __future__ import annotations

import torch
from torch import Tensor

from mlc.metrics.counts import CountMetric
from mlc.metrics.sweep import EQUAL, first_best

_MOST_ROUNDS = 20


def tuned_together(
    metric: CountMetric, scores: Tensor, targets: Tensor, thresholds: Tensor, free: Tensor
) -> Tensor:
    """Tune thresholds where a row without a passing label gets its top label: (K,).

    Cyclic coordinate ascent, as in Fan and Lin 2007, "A study on threshold selection for multi-label
    classification": each threshold in turn is set to its best value given the others, until a round
    improves nothing. The objective is the mean over labels, because each threshold affects which rows
    get their top label. There are two starts: the given thresholds, and thresholds that no score passes.
    The better result is never worse than the given thresholds. It is a local optimum: a change of one
    threshold cannot improve it, a change of several may.

    Args:
        metric: a macro average.
        scores: (N, K), float64.
        targets: (N, K), bool.
        thresholds: (K,), one of the two starts.
        free: (K,), bool, the labels whose thresholds may change.
    """
    starts = [thresholds, torch.where(free, scores.amax(dim=0) + 1, thresholds)]
    states = [_State(metric, scores, targets, start) for start in starts]
    for state in states:
        for _ in range(_MOST_ROUNDS):
            changed = [state.improve(label) for label in free.nonzero().flatten().tolist()]
            if not any(changed):
                break
    from_given, from_none = (metric(state.decided(), targets) for state in states)
    return states[int(from_none > from_given + EQUAL)].thresholds


class _State:
    """Thresholds, the pairs of row and label that pass them, and values that all rounds share."""

    def __init__(
        self, metric: CountMetric, scores: Tensor, targets: Tensor, thresholds: Tensor
    ) -> None:
        self.thresholds = thresholds.clone()
        self._metric, self._targets = metric, targets.double()
        self._top = scores.argmax(dim=-1)
        self._hit = self._targets.gather(1, self._top[:, None]).squeeze(1)
        self._actual = self._targets.sum(dim=0)
        # One row for each label.
        self._descending, self._order = scores.T.contiguous().sort(dim=-1, descending=True)
        self._passes = scores >= self.thresholds
        self._n_passing = self._passes.sum(dim=-1)
        self._predicted = self._passes.sum(dim=0).double()
        self._true = (self._targets * self._passes).sum(dim=0)

    def decided(self) -> Tensor:
        """Return the label sets: (N, K), bool."""
        empty = (self._n_passing == 0).unsqueeze(1)
        top = torch.zeros_like(self._passes).scatter_(1, self._top[:, None], empty)
        return self._passes | top

    def improve(self, label: int) -> bool:
        """Set the threshold of a label to the best one, if that is better; return whether it is."""
        passes, order = self._passes[:, label], self._order[label]
        alone = self._n_passing == passes
        gains = self._gains(label, alone)
        descending = self._descending[label]
        gains[1:-1].masked_fill_(descending[1:] == descending[:-1], torch.nan)
        best = int(first_best(gains))
        if not gains[best] > gains[int(passes.sum())] + EQUAL:
            return False
        self.thresholds[label] = _between(descending, best)
        changed = torch.zeros_like(passes)
        changed[order[:best]] = True
        self._n_passing += changed.long() - passes.long()
        self._passes[:, label] = changed
        self._predicted[label] = best
        self._true[label] = self._targets[order[:best], label].sum()
        return True

    def _gains(self, label: int, alone: Tensor) -> Tensor:
        """Return the sum over labels if the label passes in its n highest rows: (N + 1,).

        The sum is up to a constant. `alone`, (N,), marks the rows where no other label passes.
        """
        order, is_top = self._order[label], self._top == label
        hits, always = self._targets[:, label], alone & is_top
        joined = torch.stack([~always, hits * ~always])[:, order]
        start = torch.stack([always.sum(), (hits * always).sum()]).double()
        predicted, true = torch.cat([start[:, None], start[:, None] + joined.cumsum(dim=-1)], dim=1)
        value = self._value(true, predicted, self._actual[label])
        # Where the label passes alone, the top label is no longer predicted.
        others = (alone & ~is_top)[order]
        change = torch.zeros_like(value)
        change[1:][others] = self._losses(label, alone, order[others])
        return value + change.cumsum(dim=0)

    def _losses(self, label: int, alone: Tensor, rows: Tensor) -> Tensor:
        """Return the change of the top label's value as each row, in order, loses its top label."""
        added = torch.stack([alone.double(), alone * self._hit])
        filled = torch.zeros(2, len(self._actual), dtype=torch.float64)
        filled.index_add_(1, self._top, added)
        top = self._top[rows]
        by_label = top.argsort(stable=True)
        grouped, hits = top[by_label], self._hit[rows][by_label]
        first = torch.searchsorted(grouped, grouped)
        number = torch.arange(1, len(rows) + 1) - first
        total = torch.cat([hits.new_zeros(1), hits.cumsum(dim=0)])
        hit = total[1:] - total[first]
        predicted = (self._predicted + filled[0])[grouped] - number
        true, actual = (self._true + filled[1])[grouped] - hit, self._actual[grouped]
        change = self._value(true, predicted, actual) - self._value(
            true + hits, predicted + 1, actual
        )
        return torch.empty_like(change).index_copy_(0, by_label, change)

    def _value(self, true: Tensor, predicted: Tensor, actual: Tensor) -> Tensor:
        value: Tensor = self._metric.formula(true, predicted, actual, len(self._top))
        return value


def _between(descending: Tensor, n_passing: int) -> Tensor:
    """Return a threshold that the n highest scores pass, midway to the next score."""
    if n_passing == 0:
        return descending[0] + 1
    if n_passing == len(descending):
        return descending[-1]
    return (descending[n_passing - 1] + descending[n_passing]) / 2
