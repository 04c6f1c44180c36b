"""Joint heads that list all label sets only if the labels are few."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mlc.heads.base import JointHead, KnownLabels
from mlc.heads.label_sets import MOST_LABELS, ObservedSets, all_label_sets


class ListedHead(JointHead):
    """A joint head that lists all 2^K label sets up to K = 16, with more labels the observed ones."""

    observed: ObservedSets | None

    def set_up(self, seeds: Sequence[int], known: KnownLabels | None) -> None:
        """List the label sets that occur, if there are too many to list all."""
        many = self.n_labels > MOST_LABELS
        self.observed = ObservedSets(self.require_known(known)) if many else None

    @property
    def label_sets(self) -> Tensor:
        """All 2^K, or those that occur: (M, K), bool."""
        if self.observed is not None:
            return self.observed.label_sets
        return all_label_sets(self.n_labels, next(self.parameters()).device)

    def among_listed(self, log_joint: Tensor) -> Tensor:
        """Normalise a joint over the listed label sets, unless all are listed."""
        return log_joint if self.observed is None else self.observed.log_softmax(log_joint)
