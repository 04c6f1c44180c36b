"""Hierarchical softmax: the labels are the leaves of a Huffman tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, pad

from mlc.heads.base import KnownLabels, register_head
from mlc.heads.label_sets import EPSILON, fold_shares
from mlc.heads.masking import log_total
from mlc.heads.reductions import Shares, drawn_positive, mean_over_positives


@register_head("hierarchical_softmax")
class HierarchicalSoftmax(Shares):
    r"""A binary tree over the labels; the target is one positive label, drawn anew in each epoch.

    loss = $`-\log p_t`$, $`p_t = \prod_i \sigma(\pm z_i)`$ over the nodes i from the root to label t,
    with + where the path turns right and - where it turns left; t uniform over the positives of the
    sample; 0 for a sample without labels. The $`p_k`$ sum to one. The tree is the Huffman tree of the
    labels' positives in the training rows, so that frequent labels have short paths: $`K - 1`$
    outputs.
    Consistent for recall at k, as `pick_one`: the scores estimate
    $`\mathbb{E}[y_k / \lvert y \rvert \mid x, y \neq \emptyset]`$; not in general for precision at k.
    The threshold without tuning is $`1 / K`$, the lowest score of a certain label.
    Source: fastText's `HierarchicalSoftmaxLoss` in src/loss.cc (Joulin et al. 2017, "Bag of tricks
    for efficient text classification"; Goodman 2001, "Classes for fast maximum entropy training").
    Avoid: where samples without labels are frequent: the scores sum to one (docs/theory.md, statement
    13).
    """

    least_labels = 2
    needs_uniforms = True
    masks = True
    parent: Tensor
    is_right: Tensor

    def set_up(self, seeds: Sequence[int], known: KnownLabels | None) -> None:
        """Build the tree of each run: parent and is_right are (R, 2 K - 1), the labels first."""
        counts = self.require_known(known).of_runs.sum(dim=1).tolist()
        trees = [huffman_tree(row) for row in counts]
        self.register_buffer("parent", torch.tensor([parent for parent, _ in trees]))
        self.register_buffer("is_right", torch.tensor([is_right for _, is_right in trees]))

    @classmethod
    def count_outputs(cls, n_labels: int, options: Any, known: KnownLabels | None = None) -> int:
        """Return K - 1, the number of inner nodes."""
        return n_labels - 1

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """Cross-entropy to the drawn label: (R, B)."""
        return _of_drawn(self.log_shares(outputs), targets, uniforms)

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """Cross-entropy to the label drawn from the known positives, given a known label: (R, B)."""
        return _of_drawn(self._given_known(outputs, known), targets, uniforms)

    def expected_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over the positives: (R, B)."""
        return mean_over_positives(-self.log_shares(outputs), targets)

    def expected_masked_loss(self, outputs: Tensor, targets: Tensor, known: Tensor) -> Tensor:
        """The mean over the known positives: (R, B)."""
        return mean_over_positives(-self._given_known(outputs, known), targets)

    def scores(self, outputs: Tensor) -> Tensor:
        """The probabilities of the leaves, which sum to one over the labels: (R, B, K)."""
        return self.log_shares(outputs).exp()

    def log_shares(self, outputs: Tensor) -> Tensor:
        """log p: (R, B, K).

        Each node starts with the logarithm of its own turn; in each step it adds the sum of the node
        that it points to, and then points twice as far. log2(K) steps suffice for paths of K - 1 nodes.
        """
        n_labels, shape = self.n_labels, (*outputs.shape[:-1], 2 * self.n_labels - 1)
        node = (self.parent[:, :-1] - n_labels).unsqueeze(1).expand(*shape[:-1], -1)
        turn = outputs.gather(-1, node)
        log_p = logsigmoid(torch.where(self.is_right[:, None, :-1], turn, -turn))
        # The root has no turn, and points to itself.
        log_p, ancestor = pad(log_p, (0, 1)), self.parent
        for _ in range((n_labels - 2).bit_length()):
            log_p = log_p + log_p.gather(-1, ancestor.unsqueeze(1).expand(shape))
            ancestor = ancestor.gather(-1, ancestor)
        return log_p[..., :n_labels]

    def _given_known(self, outputs: Tensor, known: Tensor) -> Tensor:
        """log p given that the label is a known one: (R, B, K)."""
        log_p = self.log_shares(outputs)
        total = log_total(log_p, known).unsqueeze(-1)
        # The leaves sum to one only up to rounding.
        return log_p - torch.where(known.all(dim=-1, keepdim=True), 0, total)

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The logits of the share of the right subtree in each node."""
        n_labels = self.n_labels
        mass = pad(fold_shares(joint, n_labels), (0, n_labels - 1))
        right = joint.new_zeros(len(joint), n_labels - 1)
        # Inner nodes come after their children.
        for child, parent in enumerate(self.parent[0, :-1].tolist()):
            mass[:, parent] += mass[:, child]
            right[:, parent - n_labels] += mass[:, child] * self.is_right[0, child]
        return (right / mass[:, n_labels:].clamp(min=EPSILON)).logit(eps=EPSILON)


def _of_drawn(log_p: Tensor, targets: Tensor, uniforms: Tensor | None) -> Tensor:
    losses = -log_p.gather(-1, drawn_positive(targets, uniforms)).squeeze(-1)
    return torch.where(targets.any(dim=-1), losses, 0)


def huffman_tree(counts: Sequence[int]) -> tuple[list[int], list[bool]]:
    """Build the Huffman tree of labels with these counts, with ties as in fastText.

    Returns:
        The parent of each of the 2 K - 1 nodes (the root's is itself), and whether it is a right child;
        first the labels, then the inner nodes in the order in which they are created.
    """
    n_labels = len(counts)
    root = 2 * n_labels - 2
    parent, is_right = [root] * (root + 1), [False] * (root + 1)
    weight = [*map(float, counts), *[float("inf")] * (n_labels - 1)]
    # From the rarest; of equally frequent labels the last first.
    leaves = sorted(range(n_labels), key=lambda label: -counts[label])
    inner = n_labels
    for node in range(n_labels, root + 1):
        pair = []
        for _ in range(2):
            if leaves and weight[leaves[-1]] < weight[inner]:
                pair.append(leaves.pop())
            else:
                pair.append(inner)
                inner += 1
        for child in pair:
            parent[child] = node
        is_right[pair[1]] = True
        weight[node] = weight[pair[0]] + weight[pair[1]]
    return parent, is_right
