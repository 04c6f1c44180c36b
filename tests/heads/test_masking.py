"""Losses of samples of which some labels are not known, against loops without these labels."""

from __future__ import annotations

import copy
import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from mlc.config.errors import ConfigError, DataError
from mlc.heads.base import HEADS, Head, JointHead, KnownLabels
from mlc.heads.plain import build_head
from mlc.heads.reductions import drawn_positive
from mlc.heads.sigmoid import Sigmoid

REFUSE = {"distribution_cardinality", "f_measure"}
MASKS = [name for name in HEADS if name not in REFUSE]
JOINT = [name for name in MASKS if issubclass(HEADS[name], JointHead)]
# Heads whose samples or groups of outputs need a reference of their own.
SPECIAL = {
    "assume_negative", "expected_positive", "grouped", "hierarchical_softmax", "negative_sampling",
    "rakel", "sigmoid_f1", "two_way",
}  # fmt: skip
ONE_OUTPUT_PER_LABEL = [name for name in MASKS if name not in {*JOINT, *SPECIAL}]
N_ROWS, N_LABELS = 12, 4


def built(name: str, known: KnownLabels | None = None, **options: Any) -> Head:
    shown = known or KnownLabels(targets_for(40, 7).bool(), torch.arange(40)[None])
    n_labels = shown.targets.shape[1]
    return HEADS[name](5, n_labels, HEADS.options(name, **options), [3], shown).double()


def targets_for(n_rows: int = N_ROWS, seed: int = 1, n_labels: int = N_LABELS) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return (torch.rand(n_rows, n_labels, generator=draw) < 0.45).double()


def known_for(n_rows: int = N_ROWS, n_labels: int = N_LABELS, share: float = 0.5) -> Tensor:
    """Random known labels; all of the first row, none of the second."""
    known = torch.rand(n_rows, n_labels, generator=torch.Generator().manual_seed(5)) < share
    known[0], known[1] = True, False
    return known


def case(head: Head) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Outputs (1, B, n), targets and known (1, B, K), and uniforms (1, B)."""
    draw = torch.Generator().manual_seed(2)
    outputs = torch.randn(1, N_ROWS, head.n_outputs, generator=draw, dtype=torch.float64)
    uniforms = torch.rand(1, N_ROWS, generator=draw, dtype=torch.float64)
    return outputs, targets_for()[None], known_for()[None], uniforms


def restricted(head: Head, labels: list[int]) -> Head:
    """The same head of these labels alone."""
    part = copy.deepcopy(head)
    part.n_labels = part.n_outputs = len(labels)
    for name, value in list(part.named_buffers()):
        setattr(part, name, value[..., labels])
    return part


@pytest.mark.parametrize("name", HEADS)
def test_every_head_has_a_masked_loss_or_refuses(name: str) -> None:
    head = built(name)
    assert head.masks == (name in MASKS)
    if name in MASKS:
        head.require_masks()
        return
    with pytest.raises(ConfigError, match=f"'{name}' has no loss for rows with missing labels: ch"):
        head.require_masks()
    outputs, targets, known, _ = case(head)
    with pytest.raises(ConfigError, match=f"'{name}' has no loss for rows with missing labels"):
        head.masked_loss(outputs, targets, known)


@pytest.mark.parametrize("name", MASKS)
class TestEveryMaskedLoss:
    def test_without_unknown_labels_it_is_the_loss_bit_for_bit(self, name: str) -> None:
        head = built(name)
        outputs, targets, known, uniforms = case(head)
        everything = torch.ones_like(known)
        gradients = []
        for loss in (
            lambda z: head.loss(z, targets, uniforms),
            lambda z: head.masked_loss(z, targets, everything, uniforms),
        ):
            z = outputs.clone().requires_grad_()
            values = loss(z)
            values.sum().backward()
            gradients.append((values, z.grad))
        assert torch.equal(gradients[0][0], gradients[1][0])
        torch.testing.assert_close(gradients[0][1], gradients[1][1], rtol=1e-14, atol=1e-15)
        expected = head.expected_loss(outputs, targets)
        assert torch.equal(head.expected_masked_loss(outputs, targets, everything), expected)

    def test_values_at_unknown_labels_change_nothing(self, name: str) -> None:
        head = built(name)
        outputs, targets, known, uniforms = case(head)
        results = []
        for filled in (targets, 1 - targets, torch.full_like(targets, torch.nan)):
            z = outputs.clone().requires_grad_()
            loss = head.masked_loss(z, torch.where(known, targets, filled), known, uniforms)
            loss.sum().backward()
            results.append((loss.detach(), z.grad))
        for loss, gradient in results[1:]:
            assert torch.equal(loss, results[0][0])
            assert gradient is not None
            assert gradient.isfinite().all()
            assert torch.equal(gradient, results[0][1])

    def test_a_sample_without_known_labels_has_no_loss_and_no_gradient(self, name: str) -> None:
        if name in ("assume_negative", "expected_positive"):
            pytest.skip("missing labels have a loss of their own (test_weak_negatives.py)")
        head = built(name)
        outputs, targets, known, uniforms = case(head)
        outputs.requires_grad_()
        loss = head.masked_loss(outputs, targets, torch.zeros_like(known), uniforms)
        expected = 1.0 if name == "sigmoid_f1" else 0.0
        torch.testing.assert_close(loss, torch.full_like(loss, expected), rtol=0, atol=1e-12)
        loss.sum().backward()
        assert outputs.grad is not None
        torch.testing.assert_close(outputs.grad, 0 * outputs.grad, rtol=0, atol=1e-12)

    def test_gradient_is_that_of_finite_differences(self, name: str) -> None:
        head = built(name)
        outputs, targets, known, uniforms = (part[:, :5] for part in case(head))
        outputs = outputs.clone().requires_grad_()
        assert torch.autograd.gradcheck(
            lambda z: head.masked_loss(z, targets, known, uniforms), outputs
        )

    def test_no_value_is_asked_of_the_device(self, name: str) -> None:
        head = built(name).to("meta")
        outputs, targets, known, uniforms = (part.to("meta") for part in case(head))
        outputs.requires_grad_()
        head.masked_loss(outputs, targets, known, uniforms).sum().backward()
        assert outputs.grad is not None

    def test_float32_and_bfloat16_stay_finite(self, name: str) -> None:
        head = built(name)
        outputs, targets, known, uniforms = case(head)
        for dtype in (torch.float32, torch.bfloat16):
            z = (30 * outputs).to(dtype).requires_grad_()
            loss = head.to(dtype).masked_loss(z, targets.to(dtype), known, uniforms.to(dtype))
            loss.sum().backward()
            assert loss.isfinite().all()
            assert z.grad is not None
            assert z.grad.isfinite().all()


@pytest.mark.parametrize("name", ONE_OUTPUT_PER_LABEL)
def test_it_is_the_loss_of_a_head_of_the_known_labels_alone(name: str) -> None:
    head = built(name)
    outputs, targets, known, uniforms = case(head)
    actual = head.masked_loss(outputs, targets, known, uniforms)
    expected_loss = head.expected_masked_loss(outputs, targets, known)
    for row in range(N_ROWS):
        labels = known[0, row].nonzero().flatten().tolist()
        if not labels:
            continue
        part = restricted(head, labels)
        z, y = (value[:, row : row + 1, labels] for value in (outputs, targets))
        loss = part.loss(z, y, uniforms[:, row : row + 1])
        torch.testing.assert_close(actual[:, row : row + 1], loss)
        torch.testing.assert_close(expected_loss[:, row : row + 1], part.expected_loss(z, y))


def of_completions(head: JointHead, outputs: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """The sum of the probabilities of all label sets with the known labels, one after the other."""
    total = torch.zeros(outputs.shape[:2], dtype=torch.float64)
    for row in range(outputs.shape[1]):
        unknown = (~known[0, row]).nonzero().flatten()
        for values in product([0.0, 1.0], repeat=len(unknown)):
            completed = targets[:, row : row + 1].clone()
            completed[0, 0, unknown] = torch.tensor(values, dtype=torch.float64)
            total[0, row] += head.log_likelihood(outputs[:, row : row + 1], completed).exp().item()
    return total


@pytest.mark.parametrize("name", ["sigmoid", *JOINT])
def test_likelihoods_are_sums_over_all_completions(name: str) -> None:
    head: Any = built(name)
    outputs, targets, known, _ = case(head)
    total = of_completions(head, outputs, targets, known)
    torch.testing.assert_close(head.masked_loss(outputs, targets, known), -total.log())


@pytest.mark.parametrize("name", ["bernoulli_mixture", "label_powerset", "pairwise"])
def test_likelihoods_are_sums_over_all_completions_beyond_the_listed_label_sets(name: str) -> None:
    shown = KnownLabels(targets_for(30, 7, 18).bool(), torch.arange(30)[None])
    head: Any = built(name, shown)
    draw = torch.Generator().manual_seed(3)
    outputs = torch.randn(1, 6, head.n_outputs, generator=draw, dtype=torch.float64)
    # Rows with listed sets, and others.
    targets = torch.cat([shown.targets[:3].double(), targets_for(3, 9, 18)])[None]
    known = known_for(6, 18, 0.7)[None]
    known[0, 1] = known[0, 2].logical_not().logical_or(known[0, 3])
    total = of_completions(head, outputs, targets, known)
    torch.testing.assert_close(head.masked_loss(outputs, targets, known), -total.log())


def test_an_ensemble_of_chains_has_the_mean_of_their_losses() -> None:
    head: Any = built("chain", n_chains=3)
    with torch.no_grad():
        head.links.normal_(generator=torch.Generator().manual_seed(1))
    outputs, targets, known, _ = case(head)
    loss = head.masked_loss(outputs, targets, known)
    for row in range(N_ROWS):
        unknown = (~known[0, row]).nonzero().flatten()
        total = torch.zeros(3, dtype=torch.float64)
        for values in product([0.0, 1.0], repeat=len(unknown)):
            completed = targets[:, row : row + 1].clone()
            completed[0, 0, unknown] = torch.tensor(values, dtype=torch.float64)
            total += head._of_chains(outputs[:, row : row + 1], completed)[0, 0].exp()
        torch.testing.assert_close(loss[0, row], -total.log().mean())


def test_a_chain_of_many_labels_refuses() -> None:
    shown = KnownLabels(targets_for(30, 7, 18).bool(), torch.arange(30)[None])
    with pytest.raises(
        ConfigError, match="at most 16 labels then: choose another head, such as be"
    ):
        built("chain", shown).require_masks()


@pytest.mark.parametrize("none", [True, False])
def test_a_group_sums_the_probabilities_of_its_possible_classes(none: bool) -> None:
    head = built("grouped", groups=[[0, 2, 3]], none=none)
    outputs, _, known, _ = case(head)
    classes = torch.arange(N_ROWS) % 4
    targets = torch.zeros(1, N_ROWS, N_LABELS, dtype=torch.float64)
    targets[0, :, 1] = targets_for()[:, 1]
    for row, chosen in enumerate(classes.tolist()):
        if chosen < 3:
            targets[0, row, [0, 2, 3][chosen]] = 1
    loss = head.masked_loss(outputs, targets, known)
    for row in range(N_ROWS):
        z, y, k = (part[0, row].tolist() for part in (outputs, targets, known))
        weights = {label: math.exp(z[label]) for label in (0, 2, 3)} | ({None: 1.0} if none else {})
        possible = [
            label
            for label in weights
            if all(not k[j] or y[j] == (1.0 if j == label else 0.0) for j in (0, 2, 3))
        ]
        share = sum(weights[label] for label in possible) / sum(weights.values())
        # Without the class "none", a row without a label of the group has no loss.
        expected = -math.log(share) if share else 0.0
        if k[1]:
            expected += math.log1p(math.exp(z[1])) - y[1] * z[1]
        assert loss[0, row].item() == pytest.approx(expected, abs=1e-12)


def test_labelsets_sum_the_probabilities_of_their_own_completions() -> None:
    head: Any = built("rakel", size=2, n_sets=5)
    outputs, targets, known, _ = case(head)
    loss = head.masked_loss(outputs, targets, known)
    for row in range(N_ROWS):
        expected = 0.0
        for index, labels in enumerate(head.labelsets[0].tolist()):
            weights = outputs[0, row, 4 * index : 4 * index + 4].exp().tolist()
            agreeing = [
                weight
                for weight, label_set in zip(weights, product([0, 1], repeat=2), strict=True)
                if all(
                    not known[0, row, k] or targets[0, row, k] == value
                    for k, value in zip(labels, label_set, strict=True)
                )
            ]
            expected -= math.log(sum(agreeing) / sum(weights))
        assert loss[0, row].item() == pytest.approx(expected * 4 / 10, abs=1e-12)


def test_the_tree_draws_among_the_known_leaves() -> None:
    head: Any = built("hierarchical_softmax")
    outputs, targets, known, uniforms = case(head)
    loss = head.masked_loss(outputs, targets, known, uniforms)
    p = head.scores(outputs)[0]
    drawn = drawn_positive(targets * known, uniforms)[0, :, 0].tolist()
    for row in range(N_ROWS):
        positives = (targets[0, row] * known[0, row]).nonzero().flatten().tolist()
        total = p[row][known[0, row]].sum()
        losses = {k: -(p[row, k] / total).log().item() for k in positives}
        expected = losses[drawn[row]] if losses else 0.0
        assert loss[0, row].item() == pytest.approx(expected, abs=1e-12)
        mean = sum(losses.values()) / max(1, len(losses))
        whole = head.expected_masked_loss(outputs, targets, known)[0, row].item()
        assert whole == pytest.approx(mean, abs=1e-12)


def test_drawn_negatives_that_are_unknown_count_nothing() -> None:
    head: Any = built("negative_sampling", n_negatives=3)
    outputs, targets, known, uniforms = case(head)
    loss = head.masked_loss(outputs, targets, known, uniforms)
    positive = drawn_positive(targets * known, uniforms)
    negatives = head.negatives(positive, uniforms)
    q = head._q()[0, 0]
    for row in range(N_ROWS):
        positives = (targets[0, row] * known[0, row]).nonzero().flatten().tolist()
        z, k = outputs[0, row], known[0, row]
        expected = mean = 0.0
        if positives:
            drawn = [j for j in negatives[0, row].tolist() if k[j]]
            expected = float(softplus(-z[positive[0, row, 0]]) + softplus(z[drawn]).sum())
        for t in positives:
            others = [j for j in range(N_LABELS) if j != t and k[j]]
            absent = 3 * sum(float(q[j] / (1 - q[t]) * softplus(z[j])) for j in others)
            mean += (float(softplus(-z[t])) + absent) / len(positives)
        assert loss[0, row].item() == pytest.approx(expected, abs=1e-12)
        whole = head.expected_masked_loss(outputs, targets, known)[0, row].item()
        assert whole == pytest.approx(mean, abs=1e-12)


def test_the_smooth_f1_of_a_batch_is_over_its_known_pairs() -> None:
    head: Any = built("sigmoid_f1")
    outputs, targets, known, _ = case(head)
    s, values = outputs[0].sigmoid(), []
    for label in range(N_LABELS):
        rows = known[0, :, label]
        p, y = s[rows, label], targets[0, rows, label]
        values.append(2 * (p * y).sum() / (p.sum() + y.sum() + 1e-16))
    expected = (1 - torch.stack(values).mean()).expand(N_ROWS)
    torch.testing.assert_close(head.masked_loss(outputs, targets, known)[0], expected)


def test_two_way_contrasts_known_pairs_alone() -> None:
    head: Any = built("two_way")
    outputs, targets, known, _ = case(head)
    warm, cold = head.options.temperature_positive, head.options.temperature_negative

    def contrast(z: Tensor, y: Tensor, k: Tensor) -> float:
        positives, negatives = z[(y > 0) & k], z[(y == 0) & k]
        if not len(positives) or not len(negatives):
            return 0.0
        hardest = (negatives / cold).logsumexp(0) * cold + (-positives / warm).logsumexp(0) * warm
        return float(softplus(hardest))

    z, y, k = outputs[0], targets[0], known[0]
    has_positive = [bool((y[row] * k[row]).any()) for row in range(N_ROWS)]
    columns = [c for c in range(N_LABELS) if bool((y[:, c] * k[:, c]).any())]
    by_label = sum(contrast(z[:, c], y[:, c], k[:, c]) for c in columns) / len(columns)
    loss = head.masked_loss(outputs, targets, known)[0]
    for row in range(N_ROWS):
        within = contrast(z[row], y[row], k[row]) * has_positive[row] * N_ROWS / sum(has_positive)
        assert loss[row].item() == pytest.approx(within + by_label, abs=1e-12)


class TestWhatAHeadLearnsOfTheTrainingLabels:
    def test_frequencies_count_known_labels(self) -> None:
        targets, mask = targets_for(20).bool(), known_for(20)
        shown = KnownLabels(targets & mask, torch.arange(20)[None], mask)
        head: Any = built("logit_adjusted", shown)
        for label in range(N_LABELS):
            column = [int(y) for y, k in zip(targets[:, label], mask[:, label], strict=True) if k]
            odds = max(sum(column), 0.5) / max(len(column) - sum(column), 0.5)
            assert head.log_odds[0, 0, label].item() == pytest.approx(math.log(odds), abs=1e-6)

    def test_classes_are_complete_label_sets_and_rows_that_agree_with_none(self) -> None:
        gap = -1
        rows = torch.tensor(
            [[1, 0, 0], [1, 0, 0], [1, gap, gap], [0, 1, gap], [0, 1, gap], [gap, gap, gap]]
        )
        mask = rows != gap
        shown = KnownLabels((rows == 1), torch.arange(6)[None], mask)
        head: Any = built("label_powerset", shown)
        seen = head.label_sets[head.observed.seen[0, 0]].int().tolist()
        assert seen == [[0, 1, 0], [1, 0, 0]]
        # Four rows count, of which none is the only one of its set.
        assert head.observed.log_unseen[0, 0].exp().item() == pytest.approx(0.5 / 5 / 6)

    def test_a_run_counts_its_own_training_rows(self) -> None:
        targets, mask = targets_for(30).bool(), known_for(30, share=0.8)
        rows = torch.stack([torch.arange(0, 20), torch.arange(10, 30)])
        shown = KnownLabels(targets & mask, rows, mask)
        options = HEADS.options("label_powerset")
        both: Any = HEADS["label_powerset"](5, N_LABELS, options, [1, 2], shown)
        for run in range(2):
            alone = KnownLabels(shown.targets, rows[run : run + 1], mask)
            one: Any = HEADS["label_powerset"](5, N_LABELS, options, [1 + run], alone)
            assert torch.equal(both.observed.seen[run], one.observed.seen[0])


def test_a_subclass_with_another_loss_has_no_masked_one_unless_it_says_so() -> None:
    class Doubled(Sigmoid):
        def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
            return 2 * super().loss(outputs, targets)

    class Halved(Sigmoid):
        def label_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
            return super().label_losses(outputs, targets) / 2

    assert not Doubled.masks
    assert Halved.masks


@pytest.mark.parametrize("name", ["sigmoid", "powerset"])
def test_another_shape_is_refused(name: str) -> None:
    head = built(name)
    outputs, targets, known, _ = case(head)
    for y, k in ((targets[..., :1], known), (targets, known[..., :1]), (targets[:, :1], known)):
        with pytest.raises(DataError, match="is given targets of shape"):
            head.masked_loss(outputs, y, k)


class TestAHeadAsAnOrdinaryModule:
    def test_it_takes_gaps_where_labels_are_unknown(self) -> None:
        targets, mask = targets_for(), known_for()
        gaps = torch.where(mask, targets, torch.nan)
        for name in ("sigmoid", "label_powerset", "pick_one"):
            head = build_head(
                name, n_features=5, n_labels=N_LABELS, targets=gaps, known=mask
            ).double()
            outputs = head(torch.randn(N_ROWS, 5, dtype=torch.float64))
            uniforms = torch.full((N_ROWS,), 0.3, dtype=torch.float64)
            loss = head.masked_loss(outputs, gaps, mask, uniforms)
            within = head.head.masked_loss(outputs[None], targets[None], mask[None], uniforms[None])
            assert torch.equal(loss, within[0])

    def test_what_is_wrong_is_refused(self) -> None:
        targets, mask = targets_for(), known_for()
        head = build_head("sigmoid", n_features=5, n_labels=N_LABELS).double()
        outputs = head(torch.zeros(N_ROWS, 5, dtype=torch.float64))
        with pytest.raises(DataError, match="with 2 in row 0, column 0: give numbers from 0 to 1"):
            head.masked_loss(outputs, 2 + 0 * targets, mask)
        with pytest.raises(DataError, match=r"of shape \(12, 1\)"):
            head.masked_loss(outputs, targets, mask[:, :1])
        refusing = build_head("f_measure", n_features=5, n_labels=N_LABELS).double()
        with pytest.raises(ConfigError, match="'f_measure' has no loss for rows with missing"):
            refusing.masked_loss(torch.zeros(12, N_LABELS**2 + 1).double(), targets, mask)
        with pytest.raises(ConfigError, match=r"known has shape \(12, 1\) and targets \(12, 4\)"):
            build_head(
                "sigmoid", n_features=5, n_labels=N_LABELS, targets=targets, known=mask[:, :1]
            )
