"""Hierarchical softmax: its tree against Huffman's code, its scores against a walk of the tree."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from mlc.heads.base import HEADS, KnownLabels
from mlc.heads.hierarchical_softmax import HierarchicalSoftmax, huffman_tree

# The last are such that each label is as frequent as all rarer ones together: a chain.
COUNTS = [[3, 1], [0, 0, 0], [5, 1, 1, 2], [9, 4, 4, 0, 7, 1], [4] * 8, [2**k for k in range(9)]]


def shortest_code(counts: Sequence[int]) -> int:
    """The total length of a Huffman code: the sum of the weights of the inner nodes."""
    heap, total = list(counts), 0
    heapq.heapify(heap)
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        total += merged
        heapq.heappush(heap, merged)
    return total


@pytest.mark.parametrize("counts", COUNTS)
def test_the_tree_is_a_shortest_code(counts: list[int]) -> None:
    parent, is_right = huffman_tree(counts)
    root = 2 * len(counts) - 2
    assert parent[root] == root
    children = [(parent[node], is_right[node]) for node in range(root)]
    # Each inner node has a left and a right child.
    inner = range(len(counts), root + 1)
    assert sorted(children) == [(node, side) for node in inner for side in (False, True)]
    total = 0
    for label, count in enumerate(counts):
        node = label
        while node != root:
            total, node = total + count, parent[node]
    assert total == shortest_code(counts)


def test_ties_are_broken_as_in_fasttext() -> None:
    # fastText sorts the labels: 7, 3, 3, 1. It merges 1 with the last 3, the other 3 with that 4, and
    # the two sevens, the inner node first. The second of a pair is the right child.
    parent, is_right = huffman_tree([3, 7, 1, 3])
    assert parent == [5, 6, 4, 4, 5, 6, 6]
    assert is_right[:6] == [False, True, False, True, True, False]


def head_for(counts: Sequence[int]) -> tuple[HierarchicalSoftmax, Tensor, Tensor]:
    """A head of one run with labels of these counts, outputs, and targets."""
    training = torch.arange(max(counts) + 1)[:, None] < torch.tensor(counts)
    known = KnownLabels(training, torch.arange(len(training))[None])
    options = HEADS.options("hierarchical_softmax")
    head = HEADS["hierarchical_softmax"](3, len(counts), options, seeds=[0], known=known)
    assert isinstance(head, HierarchicalSoftmax)
    draw = torch.Generator().manual_seed(len(counts))
    outputs = torch.randn(1, 6, len(counts) - 1, generator=draw, dtype=torch.float64)
    targets = torch.rand(1, 6, len(counts), generator=draw) < 0.5
    targets[0, 0], targets[0, 1] = False, True
    return head, outputs, targets.double()


def walked(head: HierarchicalSoftmax, z: Sequence[float]) -> list[float]:
    """The probability of each label, from the root down as in fastText's search."""
    parent, is_right = head.parent[0].tolist(), head.is_right[0].tolist()
    root, n_labels = len(parent) - 1, (len(parent) + 1) // 2
    leaves = [0.0] * n_labels

    def visit(node: int, p: float) -> None:
        if node < n_labels:
            leaves[node] = p
            return
        turn = 1 / (1 + math.exp(-z[node - n_labels]))
        for child in (child for child in range(root) if parent[child] == node):
            visit(child, p * (turn if is_right[child] else 1 - turn))

    visit(root, 1.0)
    return leaves


@pytest.mark.parametrize("counts", COUNTS)
def test_scores_and_losses_are_those_of_a_walk(counts: list[int]) -> None:
    head, outputs, targets = head_for(counts)
    p = torch.tensor([walked(head, z) for z in outputs[0].tolist()], dtype=torch.float64)
    torch.testing.assert_close(head.scores(outputs)[0], p)
    torch.testing.assert_close(p.sum(dim=1), torch.ones(6).double())
    uniforms = torch.zeros(1, 6)
    first = [row.index(1) if any(row) else None for row in targets[0].tolist()]
    losses = [0.0 if t is None else -math.log(p[row, t]) for row, t in enumerate(first)]
    loss = head.loss(outputs, targets, uniforms)[0]
    torch.testing.assert_close(loss, torch.tensor(losses, dtype=torch.float64))
    shares = targets[0] / targets[0].sum(dim=1, keepdim=True).clamp(min=1)
    torch.testing.assert_close(head.expected_loss(outputs, targets)[0], -(shares * p.log()).sum(1))


def test_runs_with_other_rows_have_other_trees() -> None:
    training = torch.tensor([[1, 0, 0], [1, 0, 1], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 1, 1]])
    known = KnownLabels(training.bool(), torch.tensor([[0, 1, 2], [3, 4, 5]]))
    options = HEADS.options("hierarchical_softmax")
    head = HEADS["hierarchical_softmax"](3, 3, options, seeds=[0, 1], known=known)
    # The most frequent label is a child of the root.
    assert head.parent.tolist() == [[4, 3, 3, 4, 4], [3, 4, 3, 4, 4]]  # type: ignore[union-attr, operator]
