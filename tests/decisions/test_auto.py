"""The rule that is chosen on validation rows, against a loop over folds and candidates."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

from mlc.config.errors import ConfigError, DataError
from mlc.decisions.auto import CANDIDATES, N_FOLDS, folds
from mlc.decisions.base import DecisionRule, build_decision
from mlc.metrics.counts import COUNT_METRICS


def drawn(seed: int, n_rows: int = 60, n_labels: int = 4, skew: float = 1.0) -> list[Tensor]:
    """Scores that are marginals to the power of `skew`, and targets."""
    draw = torch.Generator().manual_seed(seed)
    marginals = torch.rand(n_rows, n_labels, generator=draw, dtype=torch.float64) ** 2
    targets = torch.rand(n_rows, n_labels, generator=draw, dtype=torch.float64) < marginals
    return [marginals**skew, targets]


def candidate(name: str, at_least_one: bool, metric: str, natural: float | None) -> DecisionRule:
    options: dict[str, object] = {"at_least_one": True} if at_least_one else {}
    if name in ("global", "top_k"):
        options["metric"] = metric
    if name == "per_label":
        options["metric"] = "jaccard" if "jaccard" in metric else "f1"
    return build_decision(name, natural_threshold=natural, **options)


def chosen_by_loop(
    scores: Tensor, targets: Tensor, metric: str, natural: float | None
) -> tuple[str, bool]:
    """The first of the best candidates, row by row over the folds."""
    fold = folds(len(scores)).tolist()
    best, chosen = -float("inf"), ("", False)
    for name, at_least_one in CANDIDATES:
        if (name == "fixed" and natural is None) or ("expected" in name and natural != 0.5):
            continue
        decided = []
        for row, own in enumerate(fold):
            others = [index for index, other in enumerate(fold) if other != own]
            rule = candidate(name, at_least_one, metric, natural)
            rule.fit(scores[others], targets[others])
            decided.append(rule.decide(scores[row : row + 1])[0])
        value = float(COUNT_METRICS[metric](torch.stack(decided), targets))
        value = value if COUNT_METRICS[metric].higher_is_better else -value
        if value > best + 1e-10:
            best, chosen = value, (name, at_least_one)
    return chosen


@pytest.mark.parametrize("natural", [0.5, 0.25, None])
@pytest.mark.parametrize("metric", ["jaccard_samples", "f1_macro", "hamming_loss"])
def test_it_chooses_as_a_loop_and_decides_as_the_chosen_rule(
    metric: str, natural: float | None
) -> None:
    scores, targets = drawn(3, n_rows=30, skew=1.5)
    rule = build_decision("auto", natural_threshold=natural, metric=metric).fit(scores, targets)
    place = CANDIDATES.index(chosen_by_loop(scores, targets, metric, natural))
    assert int(rule.fitted()["choice"]) == place
    alone = candidate(*CANDIDATES[place], metric, natural).fit(scores, targets)
    fresh, _ = drawn(4)
    assert torch.equal(rule.decide(fresh), alone.decide(fresh))
    assert rule.described()["chosen"].split(",")[0] == CANDIDATES[place][0]


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
    own = [pair for name, pair in cases().items() if name != "per_label"]
    scores, targets = torch.stack([s for s, _ in own]), torch.stack([t for _, t in own])
    rule = build_decision("auto").fit(scores, targets)
    assert rule.described()["chosen"] == ["fixed", "global", "top_k"]
    stored = json.loads(json.dumps(rule.described()))
    restored = build_decision("auto", natural_threshold=None).restore(stored)
    for run, pair in enumerate(own):
        alone = build_decision("auto").fit(*pair)
        assert torch.equal(rule.decide(scores)[run], alone.decide(scores[run]))
        assert torch.equal(alone.decide(scores)[1], alone.decide(scores[1]))
    assert torch.equal(restored.decide(scores), rule.decide(scores))


def test_the_natural_threshold_is_stored() -> None:
    scores = torch.rand(60, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
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
        for kept in (False, True):
            rule = candidate("global", kept, "jaccard_samples", 0.5).fit(scores, targets)
            metric = COUNT_METRICS["jaccard_samples"]
            values[kept] = float(metric(rule.decide(scores), targets))
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
    rule = build_decision("auto").fit(*drawn(0))
    with pytest.raises(DataError, match="another shape"):
        rule.decide(torch.rand(2, 3))
