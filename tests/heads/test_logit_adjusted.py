"""Logit adjustment against the softmax form of the paper for the two classes of each label."""

from __future__ import annotations

import math

import pytest
import torch

from mlc.heads.plain import build_head

TRAINING = torch.zeros(20, 4, dtype=torch.bool)
TRAINING[:12, 0] = TRAINING[5:7, 1] = TRAINING[:, 2] = True
# Positives and negatives of each label; a count of none is one half.
COUNTS = ((12, 8), (2, 18), (20, 0.5), (0.5, 20))
TARGETS = torch.tensor([[1, 0, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]])


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
def test_each_label_has_the_papers_loss_of_two_classes(tau: float) -> None:
    head = build_head("logit_adjusted", n_features=1, n_labels=4, targets=TRAINING, tau=tau)
    outputs = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = []
    for z, y in zip(outputs.tolist(), TARGETS.tolist(), strict=True):
        total = 0.0
        for logit, present, counts in zip(z, y, COUNTS, strict=True):
            # The logits of the classes "present" and "absent" are z and 0.
            classes = [logit + tau * math.log(counts[0]), tau * math.log(counts[1])]
            total += math.log(sum(map(math.exp, classes))) - classes[1 - present]
        expected.append(total)
    loss = head.double().loss(outputs, TARGETS)
    torch.testing.assert_close(loss, torch.tensor(expected, dtype=torch.float64), atol=0, rtol=2e-6)
    torch.testing.assert_close(head.scores(outputs), outputs.sigmoid())


def test_without_adjustment_it_is_the_sigmoid_head() -> None:
    adjusted = build_head("logit_adjusted", n_features=1, n_labels=4, targets=TRAINING, tau=0)
    plain = build_head("sigmoid", n_features=1, n_labels=4)
    outputs = torch.randn(3, 4, dtype=torch.float64)
    torch.testing.assert_close(adjusted.loss(outputs, TARGETS), plain.loss(outputs, TARGETS))


def test_the_threshold_of_one_half_is_the_labels_frequency() -> None:
    head = build_head("logit_adjusted", n_features=1, n_labels=2, targets=TRAINING[:, :2]).head
    # P(1, 0) and P(0, 1) such that the marginals are the frequencies 0.6 and 0.1.
    joint = torch.tensor([[0.3, 0.1, 0.6, 0.0]], dtype=torch.float64)
    minimiser = head.double().minimiser(joint)  # type: ignore[operator]
    torch.testing.assert_close(minimiser, torch.zeros(1, 2).double(), atol=1e-6, rtol=0)
