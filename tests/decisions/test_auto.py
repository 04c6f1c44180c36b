"""The rule that is chosen on validation rows, against a loop over folds and candidates."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

from mlc.config.errors import ConfigError, DataError
from mlc.decisions.auto import MARGIN
from mlc.decisions.base import DecisionRule, build_decision
from mlc.decisions.candidates import BY_WORDS
from mlc.decisions.folds import N_FOLDS, folds
from mlc.decisions.seen import distinct
from mlc.heads.label_sets import all_label_sets
from mlc.heads.prediction import Prediction
from mlc.metrics.counts import COUNT_METRICS


def drawn(seed: int, n_rows: int = 60, n_labels: int = 4, skew: float = 1.0) -> list[Tensor]:
    """Scores that are marginals to the power of `skew`, and targets."""
    draw = torch.Generator().manual_seed(seed)
    marginals = torch.rand(n_rows, n_labels, generator=draw, dtype=torch.float64) ** 2
    targets = torch.rand(n_rows, n_labels, generator=draw, dtype=torch.float64) < marginals
    return [marginals**skew, targets]


def by_words(words: str, metric: str, natural: float | None) -> DecisionRule:
    candidate = BY_WORDS[words]
    options: dict[str, object] = {"at_least_one": candidate.at_least_one}
    if candidate.rule in ("global", "top_k"):
        options["metric"] = metric
    if candidate.rule == "per_label":
        options["metric"] = "jaccard" if "jaccard" in metric else "f1"
    if candidate.inner is not None:
        options["maximise" if candidate.rule == "seen" else "rule"] = candidate.inner
    return build_decision(candidate.rule, natural_threshold=natural, **options)


def expected_candidates(metric: str, natural: float | None, seen: bool) -> list[str]:
    """In words; "+" stands for the same with at least one label."""
    aim = {"j": "expected_jaccard", "f": "expected_f1"}.get(metric[0])
    plain = ["global", *(["fixed"] if natural is not None else []), "top_k", "cardinality"]
    if aim is not None:
        plain += [aim] if natural == 0.5 else []
        plain += [f"calibrated ({aim})"]
    if seen:
        plain += ["seen (probability)", *([f"seen ({aim})"] if aim is not None else [])]
    return [
        f"{words}{some}" for words in [*plain, "per_label"] for some in ("", ", at least one label")
    ]


def chosen_by_loop(
    prediction: Prediction, targets: Tensor, metric: str, natural: float | None, sets: Tensor | None
) -> str:
    """The first of the best candidates, by folds, or global where that is about as good."""
    fold = folds(len(targets)).tolist()
    of = COUNT_METRICS[metric]
    tried: dict[str, Tensor] = {}
    for words in expected_candidates(metric, natural, sets is not None):
        decided = torch.zeros_like(targets)
        for index in range(N_FOLDS):
            others = [row for row, of_row in enumerate(fold) if of_row != index]
            rows = [row for row, of_row in enumerate(fold) if of_row == index]
            rule = by_words(words, metric, natural)
            rule.training_sets = sets
            rule.fit(prediction.scores[others], targets[others])
            given = Prediction(prediction.scores[rows], cardinality=prediction.cardinality[rows])
            decided[rows] = rule.decide(given)
        tried[words] = decided

    def value(words: str, rows: list[int]) -> float:
        result = float(of(tried[words][rows], targets[rows]))
        return result if of.higher_is_better else -result

    everything = list(range(len(targets)))
    best = "global"
    for words in tried:
        if value(words, everything) > value(best, everything) + 1e-10:
            best = words
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(1)).tolist()
    gains = []
    for block in range(20):
        rest = [row for row in everything if row not in order[block::20]]
        gains.append(value(best, rest) - value("global", rest))
    mean = sum(gains) / 20
    error = (19 / 20 * sum((gain - mean) ** 2 for gain in gains)) ** 0.5
    gain = value(best, everything) - value("global", everything)
    return best if gain > MARGIN * error + 1e-10 else "global"


@pytest.mark.parametrize(("natural", "seed"), [(0.5, 3), (0.5, 4), (0.25, 4), (None, 5)])
@pytest.mark.parametrize("metric", ["jaccard_samples", "f1_macro", "hamming_loss"])
def test_it_chooses_as_a_loop_and_decides_as_the_chosen_rule(
    metric: str, natural: float | None, seed: int
) -> None:
    scores, targets = drawn(seed, n_rows=30, skew=1.5)
    prediction = Prediction.of_marginals(scores)
    sets = distinct(targets[:20]) if seed == 4 else None
    rule = build_decision("auto", natural_threshold=natural, metric=metric)
    rule.training_sets = sets
    rule.fit(prediction, targets)
    words = chosen_by_loop(prediction, targets, metric, natural, sets)
    assert rule.described()["chosen"] == words
    alone = by_words(words, metric, natural)
    alone.training_sets = sets
    alone.fit(scores, targets)
    fresh = Prediction.of_marginals(drawn(6)[0])
    assert torch.equal(rule.decide(fresh), alone.decide(fresh))


def cases() -> dict[str, list[Tensor]]:
    """Scores and targets for which different rules are best."""
    draw = torch.Generator().manual_seed(0)
    exactly_two = torch.rand(60, 4, generator=draw, dtype=torch.float64)
    two = exactly_two >= exactly_two.topk(2, dim=-1).values[:, -1:]
    levels = torch.tensor([0.2, 0.8], dtype=torch.float64)
    apart = torch.rand(200, 2, generator=draw, dtype=torch.float64)
    return {
        "fixed": [exactly_two, exactly_two >= 0.5],
        "global": [exactly_two, exactly_two >= 0.3],
        "top_k": [exactly_two, two],
        "per_label": [apart, apart >= levels],
    }


@pytest.mark.parametrize("name", cases())
def test_it_finds_the_rule_that_made_the_labels(name: str) -> None:
    rule = build_decision("auto").fit(*cases()[name])
    assert rule.described()["chosen"] == name


def test_each_run_has_its_own_rule_and_it_is_restored() -> None:
    pairs = [pair for name, pair in cases().items() if name != "per_label"]
    scores, targets = torch.stack([s for s, _ in pairs]), torch.stack([t for _, t in pairs])
    rule = build_decision("auto").fit(scores, targets)
    assert rule.described()["chosen"] == ["fixed", "global", "top_k"]
    stored = json.loads(json.dumps(rule.described()))
    restored = build_decision("auto", natural_threshold=None).restore(stored)
    for run, pair in enumerate(pairs):
        alone = build_decision("auto").fit(*pair)
        assert torch.equal(rule.decide(scores)[run], alone.decide(scores[run]))
        assert torch.equal(alone.decide(scores)[1], alone.decide(scores[1]))
    assert torch.equal(restored.decide(scores), rule.decide(scores))


def test_the_natural_threshold_is_stored() -> None:
    scores = torch.rand(40, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    rule = build_decision("auto", natural_threshold=0.25).fit(scores, scores >= 0.25)
    assert rule.described()["chosen"] == "fixed"
    restored = build_decision("auto").restore(rule.described())
    assert torch.equal(restored.decide(scores), scores >= 0.25)


def test_flexible_rules_gain_nothing_from_luck() -> None:
    draw = torch.Generator().manual_seed(5)
    scores = torch.rand(40, 30, generator=draw, dtype=torch.float64)
    targets = torch.rand(40, 30, generator=draw) < 0.1
    metric = COUNT_METRICS["f1_macro"]
    lucky = build_decision("per_label", fallback=0).fit(scores, targets).decide(scores)
    plain = build_decision("global", metric="f1_macro").fit(scores, targets).decide(scores)
    assert float(metric(lucky, targets)) > float(metric(plain, targets)) + 0.05
    chosen = build_decision("auto", metric="f1_macro").fit(scores, targets).described()["chosen"]
    assert not chosen.startswith("per_label")


@pytest.mark.parametrize("n_rows", [1, 19])
def test_few_rows_choose_between_sets_that_may_be_empty_or_not(n_rows: int) -> None:
    for seed in range(5):
        scores, targets = drawn(seed, n_rows)
        values = {}
        for at_least_one in (False, True):
            words = "global, at least one label" if at_least_one else "global"
            rule = by_words(words, "jaccard_samples", 0.5).fit(scores, targets)
            metric = COUNT_METRICS["jaccard_samples"]
            values[at_least_one] = float(metric(rule.decide(scores), targets))
        chosen = build_decision("auto").fit(scores, targets).described()["chosen"]
        better = values[True] > values[False] + 1e-10
        assert chosen == ("global, at least one label" if better else "global")


@pytest.mark.parametrize("case", ["no label", "all labels", "one label", "tied"])
def test_edges(case: str) -> None:
    scores, targets = drawn(1, n_rows=25, n_labels=1 if case == "one label" else 3)
    targets = {"no label": targets & False, "all labels": targets | True}.get(case, targets)
    scores = scores.new_full(scores.shape, 0.5) if case == "tied" else scores
    decided = build_decision("auto").fit(scores, targets).decide(scores)
    if case in ("no label", "all labels"):
        assert torch.equal(decided, targets)
    assert decided.shape == scores.shape


def test_folds_are_equal_and_always_the_same() -> None:
    sizes = folds(23).bincount(minlength=N_FOLDS)
    assert sizes.tolist() == [5, 5, 5, 4, 4]
    assert torch.equal(folds(23), folds(23))


def test_it_must_be_fitted_to_the_same_labels() -> None:
    with pytest.raises(ConfigError, match="fit"):
        build_decision("auto").decide(torch.rand(2, 3))
    rule = build_decision("auto").fit(*cases()["per_label"])
    with pytest.raises(DataError, match="another shape"):
        rule.decide(torch.rand(2, 3))


def exclusive(n_rows: int = 60) -> tuple[Prediction, Tensor]:
    """Two labels of which one is right; which one, only the joint tells."""
    draw = torch.Generator().manual_seed(7)
    targets = torch.nn.functional.one_hot(torch.randint(2, (n_rows,), generator=draw), 2).bool()
    joint = torch.full((n_rows, 4), 1e-9, dtype=torch.float64)
    # Both marginals are about 0.5, and the mode is right.
    joint[:, 2] = torch.where(targets[:, 0], 0.5001, 0.4999)
    joint[:, 1] = 1 - joint.sum(dim=-1) + joint[:, 1]
    blurred = torch.full((n_rows, 2), 0.5, dtype=torch.float64)
    return Prediction(blurred, log_joint=joint.log(), label_sets=all_label_sets(2)), targets


def test_it_can_choose_a_rule_by_the_joint() -> None:
    prediction, targets = exclusive()
    rule = build_decision("auto", metric="subset_accuracy")
    beside = rule.by_joint_beside({"scores", "joint"})
    assert list(beside) == ["mode, by the joint", "mode, by the joint, at least one label"]
    assert rule.by_joint_beside({"scores"}) == {}
    decided = {name: one.decide(prediction) for name, one in beside.items()}
    held = Prediction(prediction.scores, decided=decided)
    for given in (prediction, held):
        rule = build_decision("auto", metric="subset_accuracy").fit(given, targets)
        assert rule.described()["chosen"] == "mode, by the joint"
        assert list(rule.by_joint_beside({"joint"}, deciding=True)) == ["mode, by the joint"]
        stored = json.loads(json.dumps(rule.described()))
        restored = build_decision("auto", metric="subset_accuracy").restore(stored)
        for other in (prediction, held):
            assert torch.equal(restored.decide(other), targets)
        with pytest.raises(ConfigError, match="joint"):
            restored.decide(prediction.scores)


def test_it_can_choose_the_cardinality() -> None:
    scores, _ = drawn(8)
    sizes = torch.arange(60) % 4
    targets = scores.argsort(descending=True).argsort() < sizes[:, None]
    prediction = Prediction(scores, cardinality=sizes.double())
    rule = build_decision("auto").fit(prediction, targets)
    assert rule.described()["chosen"] == "cardinality"
    assert torch.equal(rule.decide(prediction), targets)


def test_it_can_choose_the_seen_sets() -> None:
    draw = torch.Generator().manual_seed(9)
    sets = torch.tensor([[1, 0, 1, 0], [0, 1, 0, 1]]).bool()
    targets = sets[torch.randint(2, (80,), generator=draw)]
    scores = (targets + 0.9 * torch.randn(80, 4, generator=draw)).double().sigmoid()
    rule = build_decision("auto", metric="subset_accuracy")
    rule.training_sets = sets[[0, 1, 1]]
    rule.fit(scores, targets)
    assert rule.described()["chosen"] == "seen (probability)"
    restored = build_decision("auto").restore(json.loads(json.dumps(rule.described())))
    assert torch.equal(restored.decide(scores), rule.decide(scores))


def test_it_can_choose_calibrated_scores() -> None:
    draw = torch.Generator().manual_seed(10)
    # How many labels are likely differs from row to row.
    logits = 3 * torch.randn(300, 1, generator=draw, dtype=torch.float64)
    logits = logits + torch.randn(300, 8, generator=draw, dtype=torch.float64) - 1
    targets = torch.rand(300, 8, generator=draw, dtype=torch.float64) < logits.sigmoid()
    rule = build_decision("auto", natural_threshold=None).fit((logits / 3).sigmoid(), targets)
    assert rule.described()["chosen"].startswith("calibrated (expected_jaccard)")
    assert rule.described()["learned"]["calibrated (expected_jaccard)"]["line"][0] > 2
