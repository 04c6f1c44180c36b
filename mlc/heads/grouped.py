"""Labels in groups, of which at most one occurs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import pad

from mlc.config.errors import ConfigError
from mlc.heads.base import KnownLabels, register_head
from mlc.heads.masking import log_total
from mlc.heads.sigmoid import Sigmoid


@dataclass
class GroupedOptions:
    """Groups of label indices, from 0, that exclude each other; all other labels are free."""

    groups: list[list[int]] = field(default_factory=list)
    # Whether a sample may have no label of a group; "none" is then a class with the logit 0.
    none: bool = True

    def validate(self, prefix: str) -> None:
        """Check the groups as far as that needs no number of labels."""
        require_groups(f"{prefix}groups", self.groups, f"{prefix}none", self.none)


def require_groups(key: str, groups: Sequence[Sequence[int]], none_key: str, none: bool) -> None:
    """Raise ConfigError unless the groups name labels from 0, each once.

    A group of one label needs `none`, without which the label would be certain.

    Args:
        key: the name of the option that holds the groups.
        groups: lists of label indices.
        none_key: the name of the option that holds `none`.
        none: whether a sample may have no label of a group.
    """
    grouped = [label for group in groups for label in group]
    if not all(groups):
        raise ConfigError(f"{key}={groups} has a group without labels: leave it out.")
    if min(grouped, default=0) < 0:
        raise ConfigError(
            f"{key}={groups} names label {min(grouped)}: labels are numbered from 0, in the order of the"
            " data."
        )
    twice = [label for label, count in Counter(grouped).items() if count > 1]
    if twice:
        raise ConfigError(f"{key}={groups} names label {twice[0]} twice: name each at most once.")
    if not none and any(len(group) == 1 for group in groups):
        raise ConfigError(
            f"{key}={groups} has a group of one label, which would always score 1 with"
            f" {none_key}=false: leave the label out of the groups, or set {none_key}=true."
        )


@register_head("grouped")
class Grouped(Sigmoid):
    r"""A softmax within each group of labels that exclude each other, a sigmoid for each other label.

    loss = $`-\sum_G \log p_{j(G)} - \sum_k [y_k \log s_k + (1 - y_k) \log(1 - s_k)]`$ over the
    groups G (lists of label indices from 0, the option `groups`) and the other labels k; $`j(G)`$
    is the sample's label in the group or "none" (a logit of 0), $`p`$ the softmax within the group,
    $`s = \sigma(z)`$. For a sample with several labels of a group, the mean over them; for one
    without, 0 if "none" is no class (none=false). With missing labels, a group without a known
    positive has the total probability of its classes that are not known to be wrong.
    Consistent for the marginals if the labels of each group exclude each other, and for subset
    accuracy if groups and other labels are also independent given x.
    Source: Bishop 2006, "Pattern Recognition and Machine Learning", section 5.2: the canonical
    losses of multi-class and of binary targets; one network for the colour and the type of clothes.
    Use: for groups of labels of which each sample has one, or at most one. Without the option `groups`
    it is `sigmoid`. Over sigmoids decided by the highest score of each group, the rule `groups`, it
    changes little (experiments/one_network_or_many).
    Avoid: for labels that occur together.
    """

    Options = GroupedOptions
    soft_targets = False
    masks = True
    _free: Tensor

    def set_up(self, seeds: Sequence[int], known: KnownLabels | None) -> None:
        """Check the groups, and list the other labels."""
        grouped = {label for group in self.options.groups for label in group}
        if not grouped <= set(range(self.n_labels)):
            raise ConfigError(
                f"head.groups={self.options.groups} names label {max(grouped)}, and the labels are"
                f" numbered from 0 to {self.n_labels - 1}: name those."
            )
        free = [label for label in range(self.n_labels) if label not in grouped]
        # As buffers, for Python's lists would be copied to the device in each step.
        self._add_index("_free", free)
        for index, group in enumerate(self.options.groups):
            self._add_index(f"_group_{index}", group)

    def remark(self, masked: bool) -> str | None:
        """Say that the head is `sigmoid` if it has no groups."""
        if self.options.groups:
            return None
        return (
            "head=grouped has no groups and trains as head=sigmoid: give lists of label numbers from 0,"
            " as in head.groups=[[0,1,2],[3,4]] (in Python"
            " head_options={'groups': [[0, 1, 2], [3, 4]]}), or choose head=sigmoid."
        )

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """The sum of the cross-entropies of the groups and of the other labels: (R, B)."""
        free = self._free
        total = super().loss(outputs.index_select(-1, free), targets.index_select(-1, free))
        for group in self._groups:
            log_p = self._log_softmax(outputs, group)
            total = total - self._of_group(log_p, targets.index_select(-1, group))
        return total

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """The sum of the losses of the known labels of the groups and of the others: (R, B)."""
        parts = [part.index_select(-1, self._free) for part in (outputs, targets, known)]
        total = super().masked_loss(*parts)
        for group in self._groups:
            log_p = self._log_softmax(outputs, group)
            of_group, unknown = targets.index_select(-1, group), ~known.index_select(-1, group)
            possible = pad(unknown, (0, 1), value=True) if self.options.none else unknown
            is_open = unknown.any(dim=-1) & ~of_group.any(dim=-1)
            log_open = log_total(log_p, possible)
            total = total - torch.where(is_open, log_open, self._of_group(log_p, of_group))
        return total

    def _of_group(self, log_p: Tensor, classes: Tensor) -> Tensor:
        """Return the mean log-probability of a group's true classes: (R, B)."""
        if self.options.none:
            classes = torch.cat([classes, 1 - classes.amax(dim=-1, keepdim=True)], dim=-1)
        shares = classes / classes.sum(dim=-1, keepdim=True).clamp(min=1)
        mean: Tensor = (shares * log_p).sum(dim=-1)
        return mean

    def scores(self, outputs: Tensor) -> Tensor:
        """The probabilities of all labels: (R, B, K)."""
        scores = outputs.sigmoid()
        for group in self._groups:
            of_group = self._log_softmax(outputs, group)[..., : len(group)].exp()
            scores = scores.index_copy(-1, group, of_group)
        return scores

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """Log-probability of the label set; None with groups, since samples may violate them."""
        return None if self.options.groups else -self.loss(outputs, targets)

    def masked_log_likelihood(
        self, outputs: Tensor, targets: Tensor, known: Tensor
    ) -> Tensor | None:
        """Log-probability of the known labels; None with groups."""
        return None if self.options.groups else -self.masked_loss(outputs, targets, known)

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The minimiser of the sigmoid head, or None with groups."""
        return None if self.options.groups else super().minimiser(joint)

    @property
    def _groups(self) -> list[Tensor]:
        """The labels of each group, int64."""
        return [self.get_buffer(f"_group_{index}") for index in range(len(self.options.groups))]

    def _add_index(self, name: str, labels: Sequence[int]) -> None:
        self.register_buffer(name, torch.tensor(labels, dtype=torch.int64), persistent=False)

    def _log_softmax(self, outputs: Tensor, group: Tensor) -> Tensor:
        logits = outputs.index_select(-1, group)
        return (pad(logits, (0, 1)) if self.options.none else logits).log_softmax(dim=-1)
