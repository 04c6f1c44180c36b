"""Every head's loss and scores against its formula in plain Python, and PyTorch's own losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mlc.heads.base import HEADS
from mlc.heads.label_sets import all_label_sets
from mlc.heads.plain import PlainHead, build_head

Numbers = Sequence[float]
Reference = Callable[[PlainHead, Numbers, Sequence[int]], float]

SAMPLES = 12


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def softmax(z: Numbers) -> list[float]:
    weights = [math.exp(value) for value in z]
    return [weight / sum(weights) for weight in weights]


def cross_entropy(s: float, target: float, positive: float = 1.0) -> float:
    return -positive * target * math.log(s) - (1 - target) * math.log(1 - s)


def binary(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    return sum(cross_entropy(sigmoid(a), b) for a, b in zip(z, y, strict=True))


def weighted(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    weights = head.head.weights.flatten().tolist()
    return sum(cross_entropy(sigmoid(a), b, w) for a, b, w in zip(z, y, weights, strict=True))


def class_balanced(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    weights = head.head.weights.flatten().tolist()
    return sum(w * cross_entropy(sigmoid(a), b) for a, b, w in zip(z, y, weights, strict=True))


def shares(y: Sequence[int]) -> list[float]:
    return [value / max(1, sum(y)) for value in y]


def softmax_uniform(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    return -sum(share * math.log(p) for share, p in zip(shares(y), softmax(z), strict=True))


def softmax_all(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    return -sum(value * math.log(p) for value, p in zip(y, softmax(z), strict=True))


def pick_one(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    # The uniforms of the test is 0: the first positive is drawn.
    return -math.log(softmax(z)[list(y).index(1)]) if any(y) else 0.0


def ova_n(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    return sum(cross_entropy(sigmoid(a), b) for a, b in zip(z, shares(y), strict=True))


def focal(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    total = 0.0
    for a, b in zip(z, y, strict=True):
        q, alpha = (sigmoid(a), 0.25) if b else (1 - sigmoid(a), 0.75)
        total -= alpha * (1 - q) ** 2 * math.log(q)
    return total


def asymmetric(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    total = 0.0
    for a, b in zip(z, y, strict=True):
        s = sigmoid(a)
        shifted = max(s - 0.05, 0)
        total -= math.log(s) if b else shifted**4 * math.log(1 - shifted)
    return total


def zlpr(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    above = sum(math.exp(a) for a, b in zip(z, y, strict=True) if not b)
    below = sum(math.exp(-a) for a, b in zip(z, y, strict=True) if b)
    return math.log(1 + above) + math.log(1 + below)


def margin(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    pairs = [(a, b) for a, i in zip(z, y, strict=True) for b, j in zip(z, y, strict=True) if i > j]
    return sum(max(0, 1 - (a - b)) for a, b in pairs) / len(z)


def regression(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    return sum((a - b) ** 2 for a, b in zip(z, y, strict=True))


def distribution_cardinality(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    n, expected = sum(y), len(y) * sigmoid(z[len(y)])
    p = softmax(z[: len(y)])
    form, weight = head.head.options.form, head.head.options.weight
    if form == "product":
        return sum((expected * a - b) ** 2 for a, b in zip(p, y, strict=True))
    distance = sum(s * math.log(s / a) for s, a in zip(shares(y), p, strict=True) if s)
    if form == "mse":
        return distance + weight * (expected - n) ** 2
    if form == "poisson":
        return distance + weight * (expected - n * math.log(expected))
    variance = math.log(1 + math.exp(z[len(y) + 1])) + 0.01
    return distance + weight * (math.log(variance) + (expected - n) ** 2 / variance) / 2


def unnormalised_kl(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    total = 0.0
    for a, b in zip(z, y, strict=True):
        q = math.exp(a) if head.head.options.link == "exp" else math.log(1 + math.exp(a))
        total += (b * math.log(b / q) if b else 0) - b + q
    return total


def grouped(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    groups = head.head.options.groups
    taken = [label for group in groups for label in group]
    total = sum(cross_entropy(sigmoid(z[k]), y[k]) for k in range(len(y)) if k not in taken)
    for group in groups:
        p = softmax([*(z[k] for k in group), 0.0])
        true = [index for index, k in enumerate(group) if y[k]] or [len(group)]
        total -= sum(math.log(p[index]) for index in true) / len(true)
    return total


def by_energy(energy: Callable[[Sequence[int]], float], y: Sequence[int]) -> float:
    total = sum(math.exp(energy(v)) for v in product([0, 1], repeat=len(y)))
    return math.log(total) - energy(y)


def powerset(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    return by_energy(lambda v: z[int("".join(map(str, v)), 2)], y)


def pairwise(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    n = len(y)
    pairs = [(j, k) for j in range(n) for k in range(j + 1, n)]
    is_conditional = head.head.options.interactions == "conditional"
    links = z[n:] if is_conditional else head.head.interactions.flatten().tolist()

    def energy(v: Sequence[int]) -> float:
        singles = sum(a * b for a, b in zip(z, v, strict=False))
        return singles + sum(a * v[j] * v[k] for a, (j, k) in zip(links, pairs, strict=True))

    return by_energy(energy, y)


def chain(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    n, total = len(y), 0.0
    for number, order in enumerate(head.head._orders[0].tolist()):
        links = head.head.links[0, number].tolist()
        for position, k in enumerate(order):
            logit = z[number * n + k] + sum(links[j][k] * y[j] for j in order[:position])
            total += cross_entropy(sigmoid(logit), y[k])
    return total / head.head.options.n_chains


def bernoulli_mixture(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    n, count = head.head.options.n_components, len(y)
    total = 0.0
    for c, weight in enumerate(softmax(z[:n])):
        for k, b in enumerate(y):
            s = sigmoid(z[n + c * count + k])
            weight *= s if b else 1 - s
        total += weight
    return -math.log(total)


def rakel(head: PlainHead, z: Numbers, y: Sequence[int]) -> float:
    labelsets = head.head.labelsets[0].tolist()
    size, total = len(labelsets[0]), 0.0
    for number, labels in enumerate(labelsets):
        logits = z[number * 2**size : (number + 1) * 2**size]
        p = softmax(logits)
        total -= math.log(p[int("".join(str(y[k]) for k in labels), 2)])
    return total * len(y) / (len(labelsets) * size)


REFERENCES: dict[str, Reference] = {
    "sigmoid": binary, "weighted_sigmoid": weighted, "class_balanced": class_balanced,
    "softmax_uniform": softmax_uniform, "softmax_all": softmax_all, "pick_one": pick_one,
    "ova_n": ova_n, "focal": focal, "asymmetric": asymmetric, "zlpr": zlpr, "margin": margin,
    "regression": regression, "distribution_cardinality": distribution_cardinality,
    "unnormalised_kl": unnormalised_kl, "grouped": grouped, "powerset": powerset,
    "label_powerset": powerset, "pairwise": pairwise, "chain": chain,
    "bernoulli_mixture": bernoulli_mixture, "rakel": rakel,
}  # fmt: skip
# Its loss compares samples; a separate test covers it.
OF_BATCHES = {"two_way"}
CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in REFERENCES),
    *(("distribution_cardinality", {"form": form}) for form in ("mse", "gaussian", "product")),
    ("distribution_cardinality", {"form": "poisson", "weight": 0.3}),
    ("unnormalised_kl", {"link": "softplus"}),
    ("pairwise", {"interactions": "conditional"}),
    ("chain", {"n_chains": 3}),
    ("bernoulli_mixture", {"n_components": 2}),
    ("rakel", {"size": 2}),
]


def prepared(name: str, n_labels: int, **options: Any) -> tuple[PlainHead, Tensor, Tensor]:
    """A head with random weights, and outputs and targets for it."""
    torch.manual_seed(n_labels)
    if name == "grouped" and n_labels > 2:
        options["groups"] = [[0, 2]]
    every = all_label_sets(n_labels)
    head = build_head(name, n_features=3, n_labels=n_labels, targets=every, **options).double()
    for parameter in head.parameters():
        nn.init.normal_(parameter)
    targets = torch.rand(SAMPLES, n_labels) < 0.4
    return head, head(torch.randn(SAMPLES, 3).double()).detach(), targets


def test_references_are_of_heads() -> None:
    assert set(REFERENCES) | OF_BATCHES <= set(HEADS)


@pytest.mark.parametrize("n_labels", range(1, 7))
@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_loss_is_its_formula(name: str, options: dict[str, Any], n_labels: int) -> None:
    n_labels = max(n_labels, HEADS[name].least_labels)
    head, outputs, targets = prepared(name, n_labels, **options)
    loss = head.loss(outputs, targets, uniforms=torch.zeros(SAMPLES).double())
    rows = zip(outputs.tolist(), targets.int().tolist(), strict=True)
    expected = [REFERENCES[name](head, z, y) for z, y in rows]
    torch.testing.assert_close(
        loss, torch.tensor(expected, dtype=torch.float64), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("n_labels", range(1, 7))
@pytest.mark.parametrize(
    ("name", "options"),
    [case for case in CASES if case[0] in ("powerset", "pairwise", "chain", "bernoulli_mixture")],
)
def test_the_joint_is_that_of_the_formula(
    name: str, options: dict[str, Any], n_labels: int
) -> None:
    head, outputs, _ = prepared(name, n_labels, **options)
    if name == "chain":
        return_loss = head.log_likelihood
        for label_set, column in zip(
            head.label_sets, head.log_joint(outputs).unbind(-1), strict=True
        ):
            torch.testing.assert_close(
                return_loss(outputs, label_set.expand(SAMPLES, -1)), column, rtol=1e-10, atol=1e-10
            )
        return
    expected = [
        [-REFERENCES[name](head, z, y) for y in product([0, 1], repeat=n_labels)]
        for z in outputs.tolist()
    ]
    torch.testing.assert_close(
        head.log_joint(outputs), torch.tensor(expected, dtype=torch.float64), rtol=1e-10, atol=1e-10
    )


def test_two_way_is_the_mean_over_samples_plus_the_mean_over_labels() -> None:
    head, outputs, _ = prepared("two_way", 4)
    targets = torch.rand(SAMPLES, 4) < 0.4
    targets[:2], targets[2] = False, True

    def contrast(z: Numbers, y: Sequence[int]) -> float:
        above = sum(math.exp(a) for a, b in zip(z, y, strict=True) if not b)
        below = sum(math.exp(-a / 4) for a, b in zip(z, y, strict=True) if b)
        if not above or not below:
            return 0.0
        return math.log(1 + math.exp(math.log(above) + 4 * math.log(below)))

    rows = list(zip(outputs.tolist(), targets.int().tolist(), strict=True))
    samples = [contrast(z, y) for z, y in rows if any(y)]
    columns = zip(outputs.T.tolist(), targets.T.int().tolist(), strict=True)
    labels = [contrast(z, y) for z, y in columns if any(y)]
    expected = sum(samples) / len(samples) + sum(labels) / len(labels)
    assert float(head.loss(outputs, targets).mean()) == pytest.approx(expected, rel=1e-10)


def test_pytorchs_own_losses_agree() -> None:
    targets = torch.rand(SAMPLES, 5) < 0.4
    y = targets.double()
    head, z, _ = prepared("weighted_sigmoid", 5)
    pos_weight = head.head.weights.flatten().double()
    expected = nn.BCEWithLogitsLoss(reduction="none", pos_weight=pos_weight)(z, y).sum(dim=1)
    torch.testing.assert_close(head.loss(z, targets), expected)

    head, z, _ = prepared("margin", 5)
    places = torch.full((SAMPLES, 5), -1)
    for row, labels in enumerate(targets):
        places[row, : int(labels.sum())] = labels.nonzero().flatten()
    expected = nn.MultiLabelMarginLoss(reduction="none")(z, places)
    torch.testing.assert_close(head.loss(z, targets), expected)

    some = targets.any(dim=1)
    head, z, _ = prepared("softmax_uniform", 5)
    soft = y[some] / y[some].sum(dim=1, keepdim=True)
    expected = nn.CrossEntropyLoss(reduction="none")(z[some], soft)
    torch.testing.assert_close(head.loss(z, targets)[some], expected)

    count = y.sum(dim=1)
    for form in ("poisson", "gaussian"):
        head, z, _ = prepared("distribution_cardinality", 5, form=form)
        expected_n = 5 * z[:, 5].sigmoid()
        if form == "poisson":
            off = nn.PoissonNLLLoss(log_input=False, reduction="none", eps=0)(expected_n, count)
        else:
            variance = nn.functional.softplus(z[:, 6]) + 0.01
            off = nn.GaussianNLLLoss(reduction="none", eps=0)(expected_n, count, variance)
        log_p = z[:, :5].log_softmax(dim=1)
        shares = y / count.clamp(min=1).unsqueeze(1)
        distance = nn.functional.kl_div(log_p, shares, reduction="none").sum(dim=1)
        torch.testing.assert_close(head.loss(z, targets), distance + off)


def test_worked_numbers_of_softmax_and_sigmoid() -> None:
    softmax_head, sigmoid_head = (
        build_head(name, n_features=1, n_labels=5) for name in ("softmax_uniform", "sigmoid")
    )
    p = softmax_head.scores(torch.tensor([[1.0, 2, 3, 4, 1]]))[0].tolist()
    assert p == pytest.approx([0.031, 0.084, 0.230, 0.624, 0.031], abs=5e-4)
    s = sigmoid_head.scores(torch.tensor([[-1.0, 5, -0.5, 5, -0.5]]))[0].tolist()
    assert s == pytest.approx([0.269, 0.993, 0.378, 0.993, 0.378], abs=5e-4)


def test_weights_come_from_the_training_rows() -> None:
    targets = torch.zeros(100, 3, dtype=torch.bool)
    targets[:20, 0] = targets[:1, 1] = True
    head = build_head("weighted_sigmoid", n_features=1, n_labels=3, targets=targets, cap=50)
    assert head.head.weights.flatten().tolist() == [4, 50, 50]
    head = build_head("class_balanced", n_features=1, n_labels=3, targets=targets, beta=0.9)
    effective = [(1 - 0.9**n) / 0.1 for n in (20, 1, 1)]
    weights = [1 / n for n in effective]
    mean = sum(weights) / 3
    assert head.head.weights.flatten().tolist() == pytest.approx([w / mean for w in weights])
