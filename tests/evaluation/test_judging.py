"""What rules decide when a model is judged, against the model's own head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

import mlc.decisions.auto
import mlc.metrics.chunks
from mlc.config.errors import DataError
from mlc.data.resident import ResidentData
from mlc.decisions.base import build_decision
from mlc.evaluation.judging import evaluate
from mlc.heads.base import JointHead
from tests.chains import Case, make_case

PARTS = ("val", "test")


def judged(case: Case, *names: str) -> list[dict[str, dict[str, Tensor]]]:
    """The decisions of each run, by part and rule."""
    rules = [{name: build_decision(name) for name in names} for _ in case.splits]
    found = evaluate(case.model, case.data, case.dataset, case.splits, rules)
    return [
        {part: {n: torch.as_tensor(d) for n, d in run.decisions[part].items()} for part in PARTS}
        for run in found
    ]


def log_likelihood(case: Case, part: str, label_sets: Tensor) -> Tensor:
    """Of label sets (R, N, K): (R, N)."""
    with torch.no_grad():
        found = case.model.head.log_likelihood(case.outputs(part), label_sets.double())
    assert found is not None
    return found


@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("n_chains", [1, 2])
def test_with_many_labels_the_mode_is_no_less_probable_than_any_label_set_seen(
    n_chains: int, trained: bool
) -> None:
    case = make_case(20, n_chains=n_chains, trained=trained)
    decided = judged(case, "mode")
    for part in PARTS:
        modes = torch.stack([run[part]["mode"] for run in decided])
        value = log_likelihood(case, part, modes)
        better = 0
        for run, split in enumerate(case.splits):
            for row in torch.as_tensor(case.dataset.targets[split.train]).unique(dim=0):
                of_seen = log_likelihood(case, part, row.expand_as(modes))[run]
                assert (value[run] >= of_seen - 1e-12).all()
            seen = {tuple(row) for row in case.dataset.targets[split.train].tolist()}
            better += sum(tuple(row) not in seen for row in modes[run].tolist())
        # The search goes beyond the label sets seen, or it would not be tested here.
        assert better > 0
        head = case.model.head
        assert isinstance(head, JointHead)
        assert torch.equal(modes, head.mode(case.outputs(part)))


@pytest.mark.parametrize("head", ["chain", "powerset", "pairwise", "bernoulli_mixture"])
def test_with_few_labels_the_mode_is_that_of_an_exhaustive_search(head: str) -> None:
    case = make_case(5, head=head)
    decided = judged(case, "mode", "global", "expected_jaccard")
    every = torch.cartesian_prod(*[torch.tensor([False, True])] * 5)
    for part in PARTS:
        modes = torch.stack([run[part]["mode"] for run in decided])
        values = [log_likelihood(case, part, one.expand_as(modes)) for one in every]
        assert torch.equal(modes, every[torch.stack(values).argmax(dim=0)])


def test_a_model_is_run_once_for_each_part() -> None:
    case, calls = make_case(5), []
    case.model.register_forward_hook(lambda *_: calls.append(1))
    judged(case, "mode", "expected_f1", "global")
    assert len(calls) == len(PARTS)


def test_auto_chooses_rules_by_the_joint_though_it_is_only_held_in_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mlc.decisions.auto, "LEAST_ROWS", 10)
    monkeypatch.setattr(mlc.decisions.auto, "MARGIN", 0)
    case = make_case(4, head="bernoulli_mixture")
    metric = "f1_samples"
    rules = [{"auto": build_decision("auto", metric=metric)} for _ in case.splits]
    found = evaluate(case.model, case.data, case.dataset, case.splits, rules)
    for run, split in enumerate(case.splits):
        alone = build_decision("auto", metric=metric)
        with torch.no_grad():
            whole = {p: case.model.head.predict(case.outputs(p)).of_run(run) for p in PARTS}
            alone.fit(whole["val"], torch.as_tensor(case.dataset.targets[split.val]))
            decided = {part: alone.decide(own) for part, own in whole.items()}
        assert found[run].fitted["auto"]["chosen"] == alone.described()["chosen"]
        for part in PARTS:
            stored = torch.as_tensor(found[run].decisions[part]["auto"])
            assert torch.equal(stored, decided[part])
    chosen = [own.fitted["auto"]["chosen"] for own in found]
    assert all("by the joint" in words for words in chosen)


def test_rows_that_are_decided_in_chunks_get_the_same_label_sets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case, names = make_case(5, head="powerset"), ("global", "top_k", "cardinality", "auto", "mode")
    together = judged(case, *names)
    monkeypatch.setattr(mlc.metrics.chunks, "_AT_ONCE", 35)
    for one, other in zip(judged(case, *names), together, strict=True):
        for part in PARTS:
            assert len(one[part]["global"]) > 7
            for name in names:
                assert torch.equal(one[part][name], other[part][name])


@pytest.mark.parametrize("part", PARTS)
def test_rows_that_the_model_cannot_bear_are_refused_by_number(part: str) -> None:
    case = make_case(3, head="sigmoid")
    row = int(case.splits[0].parts()[part][2])
    features = case.dataset.features.astype(np.float64)
    features[row] = 1e308
    data = ResidentData(
        features, case.dataset.targets, case.scalings, torch.device("cpu"), torch.float64
    )
    with pytest.raises(DataError, match=f"row {row + 1} of the data, in its {part} part, are so"):
        judged(replace(case, data=data), "fixed")


def test_a_failed_run_leaves_the_evaluation_of_the_others_as_it_is() -> None:
    case = make_case(3, head="sigmoid")
    expected = judged(case, "fixed", "global")[1]
    with torch.no_grad():
        for parameter in case.model.parameters():
            parameter[0] = torch.nan
    rules = [{name: build_decision(name) for name in expected["val"]} for _ in case.splits]
    found = evaluate(case.model, case.data, case.dataset, case.splits, rules, failed=[0])[1]
    for part in PARTS:
        for name, decided in expected[part].items():
            assert torch.equal(torch.as_tensor(found.decisions[part][name]), decided)
