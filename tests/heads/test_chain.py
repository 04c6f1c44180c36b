"""Ensembles of chains against loops, with several runs and sizes that differ on every axis."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from mlc.heads.base import HEADS, KnownLabels
from mlc.heads.chain import Chain

Beam = list[tuple[tuple[int, ...], float]]
RUNS, CHAINS, ROWS = 2, 3, 5


def several(
    n_labels: int, known: KnownLabels | None = None, **options: Any
) -> tuple[Chain, Tensor]:
    """Chains of two runs with random links, and outputs (R, B, C K)."""
    torch.manual_seed(0)
    chosen = HEADS.options("chain", n_chains=CHAINS, **options)
    head = HEADS["chain"](2, n_labels, chosen, seeds=[3, 8], known=known).double()
    assert isinstance(head, Chain)
    nn.init.normal_(head.links)
    head.requires_grad_(False)
    return head, 2 * torch.randn(RUNS, ROWS, CHAINS * n_labels, dtype=torch.float64)


def logit(head: Chain, outputs: Tensor, at: tuple[int, int, int], label: int, before: Any) -> float:
    """The logit of a label at a run, row and chain, given the earlier labels that are present."""
    run, row, chain = at
    links = head.links[run, chain]
    z = float(outputs[run, row, chain * head.n_labels + label])
    return z + sum(float(links[other, label]) for other in before)


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def probability(head: Chain, outputs: Tensor, at: tuple[int, int, int], y: Any) -> float:
    """Log-probability of a label set under one chain of one run, label by label."""
    order, total = head._orders[at[0], at[2]].tolist(), 1.0
    for position, label in enumerate(order):
        p = sigmoid(logit(head, outputs, at, label, [k for k in order[:position] if y[k]]))
        total *= p if y[label] else 1 - p
    return total


def test_the_joint_of_several_chains_is_the_mean_of_their_joints() -> None:
    head, outputs = several(n_labels=4)
    log_joint, marginals, mode = (f(outputs) for f in (head.log_joint, head.marginals, head.mode))
    assert log_joint.shape == (RUNS, ROWS, 16)
    sets = list(product([0, 1], repeat=4))
    for run, row in product(range(RUNS), range(ROWS)):
        places = [(run, row, chain) for chain in range(CHAINS)]
        joint = [sum(probability(head, outputs, at, y) for at in places) / CHAINS for y in sets]
        torch.testing.assert_close(log_joint[run, row].exp(), torch.tensor(joint).double())
        of_labels = [sum(p for p, y in zip(joint, sets, strict=True) if y[k]) for k in range(4)]
        torch.testing.assert_close(marginals[run, row], torch.tensor(of_labels).double())
        assert tuple(mode[run, row].int().tolist()) == max(zip(joint, sets, strict=True))[1]
        y = torch.tensor(sets[5]).double().expand(RUNS, ROWS, -1)
        likelihood = float(head.log_likelihood(outputs, y)[run, row])
        assert likelihood == pytest.approx(math.log(joint[5]))


def beam_by_hand(
    head: Chain, outputs: Tensor, at: tuple[int, int, int], width: int
) -> tuple[Beam, list[float]]:
    """Prefixes (present labels) with their log-probabilities, and each label's marginal."""
    beam: Beam = [((), 0.0)]
    marginals = [0.0] * head.n_labels
    for label in head._orders[at[0], at[2]].tolist():
        p = [sigmoid(logit(head, outputs, at, label, prefix)) for prefix, _ in beam]
        weights = [math.exp(log_p) for _, log_p in beam]
        marginals[label] = sum(w * a for w, a in zip(weights, p, strict=True)) / sum(weights)
        without = [(y, log_p + math.log(1 - a)) for (y, log_p), a in zip(beam, p, strict=True)]
        with_it = [((*y, label), lp + math.log(a)) for (y, lp), a in zip(beam, p, strict=True)]
        beam = sorted([*without, *with_it], key=lambda one: -one[1])[:width]
    return beam, marginals


def test_the_beams_of_several_chains_equal_a_simple_search() -> None:
    n_labels, width = 17, 4
    known = KnownLabels(torch.rand(40, n_labels) < 0.2, torch.arange(40).expand(RUNS, -1))
    head, outputs = several(n_labels, known, beam=width)
    marginals, mode = head.marginals(outputs), head.mode(outputs)
    for run, row in product(range(RUNS), range(ROWS)):
        places = [(run, row, chain) for chain in range(CHAINS)]
        beams = [beam_by_hand(head, outputs, at, width) for at in places]
        mean = [sum(marginals[k] for _, marginals in beams) / CHAINS for k in range(n_labels)]
        torch.testing.assert_close(marginals[run, row], torch.tensor(mean).double())
        ends = [[k in y for k in range(n_labels)] for beam, _ in beams for y, _ in beam]
        best = max(ends, key=lambda y: sum(probability(head, outputs, at, y) for at in places))
        assert mode[run, row].tolist() == best
    listed = torch.stack(
        [head.log_likelihood(outputs, y.double().expand(RUNS, ROWS, -1)) for y in head.label_sets],
        dim=-1,
    )
    torch.testing.assert_close(head.log_joint(outputs), listed.log_softmax(dim=-1))


def test_label_orders_are_drawn_from_each_runs_seed() -> None:
    options = HEADS.options("chain", n_chains=3)
    orders = HEADS["chain"](2, 6, options, seeds=[0, 1, 2])._orders.tolist()
    assert all(sorted(order) == list(range(6)) for run in orders for order in run)
    assert len({tuple(order) for run in orders for order in run}) == 9
    for seed in range(3):
        assert HEADS["chain"](2, 6, options, seeds=[seed])._orders[0].tolist() == orders[seed]


def test_one_chain_uses_the_order_of_the_labels() -> None:
    head = HEADS["chain"](2, 6, HEADS.options("chain"), seeds=[0, 1])
    assert head._orders.tolist() == [[list(range(6))]]
    assert not any("_orders" in name for name in head.state_dict())


class Largest(TorchDispatchMode):
    """Notes the number of values in the largest tensor that an operation returns."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple) else (result,):
            if isinstance(value, Tensor):
                self.numbers = max(self.numbers, value.numel())
        return result


def test_no_tensor_of_an_evaluation_is_larger_than_the_stated_one() -> None:
    n_labels, n_rows = 40, 50
    known = KnownLabels(torch.rand(300, n_labels) < 0.1, torch.arange(300).expand(RUNS, -1))
    options = HEADS.options("chain", n_chains=2, beam=3)
    head = HEADS["chain"](2, n_labels, options, seeds=[3, 8], known=known).requires_grad_(False)
    outputs = torch.randn(RUNS, n_rows, 2 * n_labels) - 2
    with Largest() as largest:
        prediction = head.predict(outputs)
        for part in (prediction.scores, prediction.log_joint, prediction.mode):
            assert len(part) == RUNS
    assert len(head.label_sets) > 250
    assert largest.numbers <= RUNS * n_rows * head.numbers_per_sample < RUNS * n_rows * 1000
