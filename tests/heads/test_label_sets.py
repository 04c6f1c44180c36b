import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn.functional import logsigmoid

from mlc.heads.base import HEADS, KnownLabels
from mlc.heads.label_sets import ObservedSets, all_label_sets, fold_marginals, label_set_index
from mlc.heads.plain import build_head

SHOWN = torch.tensor([[1, 0, 1]] * 5 + [[0, 0, 0]] * 3 + [[0, 1, 0]]).bool()


@pytest.mark.parametrize("n_labels", range(1, 8))
def test_folded_marginals_are_the_product_with_the_bits(n_labels: int) -> None:
    joint = torch.rand(3, 2**n_labels).double().softmax(dim=-1)
    bits = all_label_sets(n_labels).double()
    torch.testing.assert_close(fold_marginals(joint, n_labels), joint @ bits)
    assert torch.equal(label_set_index(bits), torch.arange(2**n_labels))


def test_unobserved_sets_have_the_good_turing_mass() -> None:
    observed = ObservedSets(KnownLabels(SHOWN, torch.arange(9)[None]))
    assert observed.label_sets.int().tolist() == [[0, 0, 0], [0, 1, 0], [1, 0, 1]]
    logits = torch.tensor([[[0.5, -1.0, 2.0]]]).double().expand(1, 8, 3)
    every = all_label_sets(3).double().unsqueeze(0)
    log_p = observed.log_likelihood(logits, every)[0]
    unseen = (1 + 0.5) / 10
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-12)
    assert log_p[1].exp().item() == pytest.approx(unseen / 5)
    assert log_p[5].exp().item() == pytest.approx((1 - unseen) * logits[0, 0].softmax(0)[2].item())


@pytest.mark.parametrize("min_count", [1, 2, 3, 5])
def test_the_reserved_mass_is_that_of_label_sets_without_a_class(min_count: int) -> None:
    # A population of 256 label sets whose frequencies are Zipf's; 200 samples of 500 rows.
    rng = np.random.default_rng(0)
    frequencies = 1 / np.arange(1, 257)
    frequencies /= frequencies.sum()
    every, set_aside, true = all_label_sets(8), [], []
    for _ in range(200):
        drawn = rng.choice(256, size=500, p=frequencies)
        observed = ObservedSets(KnownLabels(every[drawn], torch.arange(500)[None]), min_count)
        set_aside.append(1 - float(observed.log_rest.exp()))
        true.append(frequencies[np.bincount(drawn, minlength=256) < min_count].sum())
    # The half row that is added, (1 - mass) / 1002, and three standard errors of the mean.
    error = 3 * np.std(np.subtract(set_aside, true)) / math.sqrt(200) + 1 / 1002
    assert np.mean(set_aside) == pytest.approx(np.mean(true), abs=error)


@pytest.mark.parametrize("min_count", [1, 2, 3, 100])
def test_a_row_counts_as_unseen_if_its_set_is_no_class_without_it(min_count: int) -> None:
    every, rng = all_label_sets(5), np.random.default_rng(min_count)
    for n_rows in (1, 2, 3, 10, 40):
        for _ in range(5):
            drawn = torch.as_tensor(rng.geometric(0.3, size=n_rows).clip(max=32) - 1)
            observed = ObservedSets(
                KnownLabels(every[drawn], torch.arange(n_rows)[None]), min_count
            )
            unseen = 0
            for row in range(n_rows):
                others = [i for number, i in enumerate(drawn.tolist()) if number != row]
                counts = [others.count(i) for i in set(others)]
                least = max(1, min([min_count, *([max(counts)] if counts else [])]))
                unseen += others.count(int(drawn[row])) < least
            mass = 1 - float(observed.log_rest.exp())
            assert mass == pytest.approx((unseen + 0.5) / (n_rows + 1)), drawn


def test_a_run_has_only_the_classes_of_its_own_training_rows() -> None:
    rows = torch.tensor([[0, 1, 5, 6], [0, 5, 6, 8]])
    observed = ObservedSets(KnownLabels(SHOWN, rows))
    assert observed.seen[:, 0].tolist() == [[True, False, True], [True, True, True]]
    joint = observed.log_softmax(torch.zeros(2, 1, 3)).exp()
    assert joint[:, 0].tolist() == [[0.5, 0, 0.5], [pytest.approx(1 / 3)] * 3]


def test_pruned_label_sets_have_no_gradient_and_stay_possible() -> None:
    head = build_head("label_powerset", n_features=2, n_labels=3, targets=SHOWN, min_count=3)
    outputs = torch.randn(1, 3, requires_grad=True)
    loss = head.loss(outputs, torch.tensor([[0, 1, 0]]))
    loss.sum().backward()
    assert outputs.grad is not None
    assert not outputs.grad.any()
    # One row of nine is pruned, three more have a set that would be without them; six sets are no class.
    assert loss.item() == pytest.approx(-math.log(4.5 / 10 / 6))
    assert head.log_joint(outputs).exp()[0, 1] == 0


def test_the_most_frequent_label_sets_are_classes_if_none_is_frequent_enough() -> None:
    rows = torch.tensor([[0, 1, 5, 6], [0, 5, 6, 8]])
    demanded = ObservedSets(KnownLabels(SHOWN, rows), min_count=100)
    for run, indices in enumerate(rows):
        sets, counts = SHOWN[indices].unique(dim=0, return_counts=True)
        frequent = {tuple(row.tolist()) for row in sets[counts == counts.max()]}
        kept = demanded.label_sets[demanded.seen[run, 0]]
        assert {tuple(row.tolist()) for row in kept} == frequent
    assert demanded.log_softmax(torch.randn(2, 3, 3)).exp().isfinite().all()


@pytest.mark.parametrize("n_labels", [130, 1100])
def test_unseen_label_sets_stay_possible_however_many_there_are(n_labels: int) -> None:
    targets = torch.rand(9, n_labels, generator=torch.Generator().manual_seed(0)) < 0.1
    observed = ObservedSets(KnownLabels(targets, torch.arange(8).unsqueeze(0)))
    logits = torch.zeros(1, 1, 9, dtype=torch.float64)
    unseen = observed.log_likelihood(logits, targets[None, 8:])
    expected = math.log((8 + 0.5) / 9) - n_labels * math.log(2)
    assert float(unseen) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["chain", "pairwise", "bernoulli_mixture", "label_powerset"])
def test_with_many_labels_the_joint_lists_observed_sets(name: str) -> None:
    torch.manual_seed(0)
    targets = torch.rand(40, 30) < 0.1
    head = build_head(name, n_features=4, n_labels=30, targets=targets).double()
    outputs = head(torch.randn(6, 4).double())
    joint = head.log_joint(outputs)
    assert joint.shape == (6, len(targets.unique(dim=0)))
    torch.testing.assert_close(joint.exp().sum(dim=1), torch.ones(6).double())
    assert head.loss(outputs, ~targets[:6]).isfinite().all()
    # Among label sets that occur the joint's order is the likelihood's.
    likelihood = torch.stack(
        [head.log_likelihood(outputs, one.expand(6, -1)) for one in head.label_sets], dim=1
    )
    torch.testing.assert_close(likelihood.log_softmax(dim=1), joint)


def test_a_beam_wide_enough_is_exact() -> None:
    torch.manual_seed(0)
    shape = {"n_features": 4, "n_labels": 5, "targets": all_label_sets(5), "n_chains": 2}
    head = build_head("chain", **shape, beam=32).double()
    torch.nn.init.normal_(head.head.links)
    outputs = head(torch.randn(7, 4).double()).unsqueeze(0)
    of_beams = []
    for chain in range(2):
        sets, marginals = head.head._beam(outputs, chain)
        best = head.head._joint(outputs, chain).argsort(dim=-1, descending=True, stable=True)
        assert torch.equal(label_set_index(sets), best)
        of_beams.append(marginals)
    torch.testing.assert_close(torch.stack(of_beams).mean(dim=0), head.head.marginals(outputs))


def test_a_narrow_beam_finds_the_mode_of_a_clear_chain() -> None:
    torch.manual_seed(0)
    targets = torch.rand(40, 30) < 0.2
    head = build_head("chain", n_features=4, n_labels=30, targets=targets, beam=4).double()
    outputs = 4 * torch.randn(6, 30).double()
    assert torch.equal(head.mode(outputs), outputs > 0)
    torch.testing.assert_close(head.marginals(outputs), outputs.sigmoid(), rtol=1e-6, atol=1e-6)


def test_a_beam_equals_a_simple_search() -> None:
    torch.manual_seed(0)
    n_labels, width = 20, 3
    targets = torch.rand(40, n_labels) < 0.2
    shape = {"n_features": 4, "n_labels": n_labels, "targets": targets}
    head = build_head("chain", **shape, beam=width).double()
    torch.nn.init.normal_(head.head.links)
    outputs = torch.randn(1, 5, n_labels).double() + 1  # Many labels a prefix.
    sets, marginals = head.head._beam(outputs, 0)
    links = head.head.links[0, 0].detach()
    for row in range(5):
        beam = [((), 0.0)]
        for label in range(n_labels):
            logit = {p: outputs[0, row, label] + links[list(p), label].sum() for p, _ in beam}
            weights = torch.tensor([log_p for _, log_p in beam]).double().softmax(dim=0)
            at_turn = sum(w * logit[p].sigmoid() for w, (p, _) in zip(weights, beam, strict=True))
            torch.testing.assert_close(marginals[0, row, label], at_turn)
            beam = [(p, log_p + float(logsigmoid(-logit[p]))) for p, log_p in beam] + [
                ((*p, label), log_p + float(logsigmoid(logit[p]))) for p, log_p in beam
            ]
            beam = sorted(beam, key=lambda one: -one[1])[:width]
        prefixes = [tuple(values.nonzero().flatten().tolist()) for values in sets[0, row]]
        assert prefixes == [p for p, _ in beam]


@pytest.mark.parametrize("interactions", ["shared", "conditional"])
@pytest.mark.parametrize("most", [1, 4])
def test_pairs_that_occur_are_summed_in_each_label_set(interactions: str, most: int) -> None:
    torch.manual_seed(0)
    n_labels = 20
    targets = torch.rand(30, n_labels).argsort(dim=1) < torch.randint(most + 1, (30, 1))
    shape = {"n_features": 4, "n_labels": n_labels, "targets": targets}
    head = build_head("pairwise", **shape, interactions=interactions).double()
    inner = head.head
    pairs = {(j, k) for row in targets for j, k in itertools.combinations(_present(row), 2)}
    assert set(map(tuple, inner._pairs.T.tolist())) == pairs
    if interactions == "shared":
        torch.nn.init.normal_(inner.interactions)
    outputs = torch.randn(3, inner.n_outputs).double()

    def joint(given: torch.Tensor) -> torch.Tensor:
        return head.log_joint(given)[:, head.head.observed.seen[0, 0]]

    assert torch.autograd.gradcheck(joint, outputs.requires_grad_())
    outputs = outputs.detach()
    log_joint = head.log_joint(outputs)
    for row in range(3):
        of_pairs = inner.interactions[0, 0] if interactions == "shared" else outputs[row, n_labels:]
        energy = dict(zip(map(tuple, inner._pairs.T.tolist()), of_pairs.tolist(), strict=True))
        expected = torch.tensor(
            [
                sum(float(outputs[row, k]) for k in _present(label_set))
                + sum(energy[pair] for pair in itertools.combinations(_present(label_set), 2))
                for label_set in head.label_sets
            ]
        ).double()
        torch.testing.assert_close(log_joint[row], expected.log_softmax(dim=0))
    head.loss(outputs.requires_grad_(), targets[:3].double()).sum().backward()
    assert torch.isfinite(outputs.grad).all()


def _present(label_set: torch.Tensor) -> list[int]:
    return [int(k) for k in label_set.nonzero().flatten()]


def test_labelsets_cover_the_labels_evenly_and_differ_between_runs() -> None:
    options = HEADS.options("rakel", size=3, n_sets=8)
    head = HEADS["rakel"](4, 7, options, seeds=[0, 1])
    for labelsets in head.labelsets.tolist():
        assert all(len(set(labels)) == 3 for labels in labelsets)
        counts = [sum(k in labels for labels in labelsets) for k in range(7)]
        assert sum(counts) == 24
        assert min(counts) >= 2
    assert not torch.equal(head.labelsets[0], head.labelsets[1])


def test_all_label_sets_are_in_the_order_of_their_numbers() -> None:
    assert all_label_sets(3).int().tolist() == [
        list(s) for s in itertools.product([0, 1], repeat=3)
    ]
