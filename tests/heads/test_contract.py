"""The contract of every registered head."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mlc.config.errors import ConfigError, DataError
from mlc.config.options import search_space
from mlc.heads.base import HEADS, JointHead, KnownLabels
from mlc.heads.label_sets import all_label_sets
from mlc.heads.plain import PlainHead, build_head
from tests.cases import label_matrices

CASES = label_matrices()
JOINT = [name for name in HEADS if issubclass(HEADS[name], JointHead)]


def built(name: str, n_labels: int, targets: Tensor | None = None, **options: Any) -> PlainHead:
    """A head built with these targets, or with all label sets."""
    torch.manual_seed(0)
    shown = all_label_sets(n_labels) if targets is None else targets
    return build_head(name, n_features=5, n_labels=n_labels, targets=shown, **options).double()


def refused(name: str, n_labels: int) -> bool:
    """Whether the head refuses so few labels, which ends a test."""
    if n_labels >= HEADS[name].least_labels:
        return False
    with pytest.raises(ConfigError, match=rf"'{name}' has nothing to learn from {n_labels} label"):
        built(name, n_labels)
    return True


def noise_for(targets: Tensor) -> Tensor:
    draw = torch.Generator().manual_seed(3)
    return torch.rand(targets.shape[:-1], generator=draw, dtype=torch.float64)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", HEADS)
class TestEveryHead:
    def test_one_finite_loss_a_sample_and_scores_in_the_unit_interval(
        self, name: str, case: str
    ) -> None:
        targets = CASES[case]
        if refused(name, targets.shape[1]):
            return
        head = built(name, targets.shape[1], targets)
        features = torch.randn(len(targets), 5, dtype=torch.float64)
        outputs = head(features)
        loss = head.loss(outputs, targets, noise_for(targets))
        scores = head.scores(outputs)
        assert loss.shape == targets.shape[:1]
        assert loss.isfinite().all()
        assert scores.shape == targets.shape
        assert ((scores >= 0) & (scores <= 1)).all()

    def test_gradient_is_that_of_finite_differences(self, name: str, case: str) -> None:
        targets = CASES[case]
        if refused(name, targets.shape[1]):
            return
        head = built(name, targets.shape[1], targets)
        outputs = head(torch.randn(len(targets), 5, dtype=torch.float64)).detach().requires_grad_()
        uniforms = noise_for(targets)
        assert torch.autograd.gradcheck(lambda z: head.loss(z, targets, uniforms), outputs)

    def test_extreme_outputs_stay_finite(self, name: str, case: str) -> None:
        targets = CASES[case]
        if refused(name, targets.shape[1]):
            return
        head = built(name, targets.shape[1], targets).float()
        outputs = head(torch.full((len(targets), 5), 1e4)).detach().requires_grad_()
        loss = head.loss(outputs, targets)
        loss.sum().backward()
        assert loss.isfinite().all()
        assert outputs.grad is not None
        assert outputs.grad.isfinite().all()
        assert head.scores(outputs).isfinite().all()

    def test_bfloat16_stays_finite(self, name: str, case: str) -> None:
        targets = CASES[case]
        if refused(name, targets.shape[1]):
            return
        head = built(name, targets.shape[1], targets).bfloat16()
        outputs = head(torch.randn(len(targets), 5).bfloat16())
        loss = head.loss(outputs, targets)
        loss.sum().backward()
        assert loss.isfinite().all()
        assert all(p.grad.isfinite().all() for p in head.parameters() if p.grad is not None)
        assert head.scores(outputs).isfinite().all()

    def test_samples_are_compared_only_by_heads_that_declare_it(self, name: str, case: str) -> None:
        targets = CASES[case]
        if refused(name, targets.shape[1]):
            return
        head = built(name, targets.shape[1], targets)
        outputs, uniforms = head(torch.randn(len(targets), 5).double()), noise_for(targets)
        together = head.loss(outputs, targets, uniforms)
        alone = [
            head.loss(*(part[row : row + 1] for part in (outputs, targets, uniforms)))
            for row in range(len(targets))
        ]
        if not HEADS[name].compares_samples:
            torch.testing.assert_close(torch.cat(alone), together)
        elif case == "ordinary":
            assert (torch.cat(alone) - together).abs().max() > 0.1

    def test_runs_do_not_affect_each_other(self, name: str, case: str) -> None:
        targets = CASES[case].double()
        if refused(name, targets.shape[1]):
            return
        options = HEADS.options(name)
        rows = torch.arange(len(targets)).roll(1).expand(3, -1)
        known, known_alone = (KnownLabels(targets.bool(), part) for part in (rows, rows[1:2]))
        shape = 5, targets.shape[1], options
        together = HEADS[name](*shape, seeds=[4, 5, 6], known=known).double()
        alone = HEADS[name](*shape, seeds=[5], known=known_alone).double()
        features = torch.randn(3, len(targets), 5, dtype=torch.float64)
        uniforms = noise_for(targets)
        all_outputs, outputs = together(features), alone(features[1:2])
        torch.testing.assert_close(all_outputs[1:2], outputs, rtol=1e-13, atol=1e-13)
        torch.testing.assert_close(
            together.loss(all_outputs, targets.expand(3, -1, -1), uniforms.expand(3, -1))[1],
            alone.loss(outputs, targets[None], uniforms[None])[0],
            rtol=1e-13, atol=1e-13,
        )  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_training_on_one_label_set_makes_its_labels_score_highest(name: str) -> None:
    targets = torch.tensor([[True, False, True, False]])
    head = built(name, 4)
    features = torch.ones(1, 5, dtype=torch.float64)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        head.loss(head(features), targets).sum().backward()
        optimizer.step()
    scores = head.scores(head(features))
    assert scores[targets].min() > scores[~targets].max()


@pytest.mark.parametrize("name", HEADS)
def test_docstring_has_formula_source_and_consistency(name: str) -> None:
    text = HEADS[name].__doc__ or ""
    assert "loss = " in text
    assert "Source: " in text
    assert "onsistent for" in text


SOFT = {
    "class_balanced", "logit_adjusted", "regression", "sigmoid", "softmax_all", "squared_hinge",
    "unnormalised_kl", "weighted_sigmoid",
}  # fmt: skip
ZEROS_AND_ONES = torch.tensor([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 1]])
# Indices filled up with -1, as torch.nn.MultiLabelMarginLoss takes them.
PADDED = torch.tensor([[0, 2, -1], [1, -1, -1], [-1, -1, -1], [0, 1, 2]])


@pytest.mark.parametrize("name", HEADS)
class TestTargetsOfALoss:
    def test_zeros_and_ones_are_accepted_in_any_type(self, name: str) -> None:
        head = built(name, 3)
        outputs, uniforms = head(torch.randn(4, 5).double()), noise_for(ZEROS_AND_ONES)
        expected = head.loss(outputs, ZEROS_AND_ONES, uniforms)
        for dtype in (torch.bool, torch.uint8, torch.float32, torch.float64):
            assert torch.equal(head.loss(outputs, ZEROS_AND_ONES.to(dtype), uniforms), expected)

    @pytest.mark.parametrize("shape", [(4, 1), (1, 3), (4,), (3, 4), (4, 4), (8, 3), (1, 4, 3)])
    def test_another_shape_is_refused(self, name: str, shape: tuple[int, ...]) -> None:
        head = built(name, 3)
        outputs, targets = head(torch.randn(4, 5).double()), torch.ones(shape)
        message = rf"'{name}' is given targets of shape \({shape[0]},.*: give \(4, 3\)"
        with pytest.raises(DataError, match=message):
            head.loss(outputs, targets)
        # Of several runs too, where values are not looked at.
        with pytest.raises(DataError, match="is given targets of shape"):
            head.head.loss(outputs.unsqueeze(0), targets.double().unsqueeze(0))

    @pytest.mark.parametrize(
        ("targets", "message"),
        [
            (PADDED, "with 2 in row 0, column 1: give "),
            (-ZEROS_AND_ONES, "with -1 in row 0, column 0: give "),
            (7 * ZEROS_AND_ONES, "with 7 in row 0, column 0: give "),
            (ZEROS_AND_ONES / ZEROS_AND_ONES, "with nan in row 0, column 1: give "),
        ],
    )
    def test_invalid_values_are_refused(self, name: str, targets: Tensor, message: str) -> None:
        head = built(name, 3)
        outputs = head(torch.randn(4, 5).double())
        with pytest.raises(DataError, match=f"'{name}' is given targets {message}"):
            head.loss(outputs, targets)
        with pytest.raises(DataError, match=f"'{name}' is given targets {message}"):
            built(name, 3, targets)

    def test_soft_targets_are_a_mean_over_label_sets_or_refused(self, name: str) -> None:
        head = built(name, 3)
        torch.manual_seed(1)
        outputs = head(torch.randn(4, 5).double()).detach().requires_grad_()
        soft = torch.rand(4, 3, dtype=torch.float64)
        if not HEADS[name].soft_targets:
            with pytest.raises(DataError, match=r"in row 0, column 0: .* takes no soft targets"):
                head.loss(outputs, soft)
            return
        head.loss(outputs, soft).sum().backward()
        assert outputs.grad is not None
        gradient, outputs.grad = outputs.grad, None
        for label_set in all_label_sets(3).double():
            frequency = (label_set * soft + (1 - label_set) * (1 - soft)).prod(dim=1)
            (frequency * head.loss(outputs, label_set.expand(4, -1))).sum().backward()
        torch.testing.assert_close(gradient, outputs.grad)


def test_some_heads_take_soft_targets() -> None:
    assert all(HEADS[name].soft_targets for name in SOFT)


@pytest.mark.parametrize("name", JOINT)
def test_a_log_likelihood_needs_zeros_and_ones(name: str) -> None:
    head = built(name, 3)
    outputs = head(torch.randn(4, 5).double())
    for targets in (PADDED, ZEROS_AND_ONES / 2, ZEROS_AND_ONES[:, :1]):
        with pytest.raises(DataError, match=f"'{name}' is given targets"):
            head.log_likelihood(outputs, targets)


# Certain labels, as a network that has learned them would score them, of which each is above it.
@pytest.mark.parametrize("n_labels", [2, 5])
@pytest.mark.parametrize("name", HEADS)
def test_a_natural_threshold_separates_what_was_learned(name: str, n_labels: int) -> None:
    every = all_label_sets(n_labels)[1:]
    head = built(name, n_labels, every)
    threshold = HEADS[name].natural_threshold(n_labels)
    if threshold is None:
        # The loss does not change if a constant is added to all outputs.
        outputs = torch.randn(len(every), n_labels, dtype=torch.float64)
        torch.testing.assert_close(head.loss(outputs + 3, every), head.loss(outputs, every))
        return
    outputs = torch.zeros(len(every), head.head.n_outputs, dtype=torch.float64).requires_grad_()
    parameters = [outputs, *(p for n, p in head.named_parameters() if "output" not in n)]
    optimizer = torch.optim.Adam(parameters, lr=0.3)
    for _ in range(200):
        optimizer.zero_grad()
        head.head.expected_loss(outputs[None], every[None].double()).sum().backward()
        optimizer.step()
    scores = head.scores(outputs.detach())
    # Equal shares are equal but for what the optimiser left.
    assert torch.equal(scores >= 0.9 * threshold, every)


@pytest.mark.parametrize("n_labels", [1, 2, 4])
@pytest.mark.parametrize("name", JOINT)
class TestEveryJointHead:
    def test_joint_marginals_and_mode_agree_with_a_loop_over_label_sets(
        self, name: str, n_labels: int
    ) -> None:
        head = built(name, n_labels)
        outputs = head(torch.randn(6, 5, dtype=torch.float64))
        joint, label_sets = head.log_joint(outputs).exp(), head.label_sets
        torch.testing.assert_close(joint.sum(dim=-1), torch.ones(6, dtype=torch.float64))
        for i in range(6):
            marginals = [0.0] * n_labels
            for probability, label_set in zip(joint[i], label_sets, strict=True):
                for k in range(n_labels):
                    marginals[k] += probability.item() * label_set[k].item()
            torch.testing.assert_close(head.marginals(outputs)[i], torch.tensor(marginals).double())
            best = max(range(len(label_sets)), key=lambda m: joint[i, m].item())
            assert torch.equal(head.mode(outputs)[i], label_sets[best])
        torch.testing.assert_close(head.scores(outputs), head.marginals(outputs))

    def test_loss_is_the_negative_log_joint(self, name: str, n_labels: int) -> None:
        head = built(name, n_labels)
        targets = torch.tensor(list(product([0, 1], repeat=n_labels)))
        outputs = head(torch.randn(len(targets), 5, dtype=torch.float64))
        index = [head.label_sets.int().tolist().index(row.tolist()) for row in targets]
        expected = -head.log_joint(outputs)[range(len(targets)), index]
        torch.testing.assert_close(head.loss(outputs, targets), expected)
        torch.testing.assert_close(-head.log_likelihood(outputs, targets), expected)


def test_a_head_without_a_joint_refuses_joint_methods() -> None:
    with pytest.raises(ConfigError, match="defines no distribution"):
        _ = built("sigmoid", 3).label_sets


def test_a_head_that_needs_the_training_labels_refuses_to_be_built_without() -> None:
    with pytest.raises(ConfigError, match="'label_powerset' must see the training labels"):
        build_head("label_powerset", n_features=2, n_labels=3)
    with pytest.raises(ConfigError, match=r"targets has shape \(4,\): give \(N, 3\)"):
        build_head("label_powerset", n_features=2, n_labels=3, targets=torch.ones(4))


@pytest.mark.parametrize("name", HEADS)
def test_separate_networks_need_one_output_for_each_label(name: str) -> None:
    shown = KnownLabels(all_label_sets(3), torch.arange(8)[None])
    options = HEADS.options(name)
    if HEADS[name].count_outputs(3, options, shown) != 3:
        with pytest.raises(ConfigError, match="one output for each label"):
            HEADS[name](6, 3, options, seeds=[0], known=shown, separate=True)
        return
    head = HEADS[name](6, 3, options, seeds=[0], known=shown, separate=True)
    features = torch.randn(1, 4, 6)
    changed = features.clone()
    changed[..., 2:4] += 1
    differs = (head(features) != head(changed)).any(dim=(0, 1))
    assert differs.tolist() == [False, True, False]


@pytest.mark.parametrize("name", HEADS)
def test_search_spaces_are_drawn_within_the_limits(name: str) -> None:
    rng = np.random.default_rng(0)
    space = search_space(HEADS[name].Options)
    for _ in range(20):
        HEADS.options(name, **{key: where.draw(rng) for key, where in space.items()})


def test_unknown_heads_and_options_are_named() -> None:
    with pytest.raises(ConfigError, match=r"no head named 'sigmid': did you mean sigmoid\?"):
        build_head("sigmid", n_features=2, n_labels=2)
    with pytest.raises(ConfigError, match="has no option 'gamma'"):
        build_head("sigmoid", n_features=2, n_labels=2, gamma=1)


def test_targets_may_be_arrays_or_lists() -> None:
    targets = torch.tensor([[1, 0, 1], [0, 1, 0]])
    head = build_head("sigmoid", n_features=5, n_labels=3)
    outputs = head(torch.zeros(2, 5))
    for given in (targets.numpy(), targets.tolist(), targets.bool().numpy()):
        torch.testing.assert_close(head.loss(outputs, given), head.loss(outputs, targets))
    for given in ([[1, 0, 1], [0, 1]], [["a", "b", "c"]] * 2, None):
        with pytest.raises(DataError, match="'sigmoid' is given targets"):
            head.loss(outputs, given)
