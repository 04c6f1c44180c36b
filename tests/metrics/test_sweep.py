"""The exact sweep against a loop over all thresholds."""

from itertools import product

import pytest
import torch
from torch import Tensor

from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.sweep import SortedScores, first_best
from mlc.metrics.top_scores import best_threshold
from tests.cases import label_matrices, tied_scores
from tests.exact import NAMES, best_cut, exact

CASES = label_matrices()


def tried(name: str, scores: Tensor, targets: Tensor) -> dict[float, float]:
    metric = COUNT_METRICS[name]
    candidates = [*scores.unique().tolist(), float(scores.max()) + 1]
    return {t: float(metric(scores >= t, targets)) for t in candidates}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", COUNT_METRICS)
def test_best_threshold_is_the_best_of_all(name: str, case: str) -> None:
    targets = CASES[case]
    metric = COUNT_METRICS[name]
    for scores in (tied_scores(*targets.shape), torch.rand(targets.shape, dtype=torch.float64)):
        threshold, value = best_threshold(metric, scores, targets)
        choose = max if metric.higher_is_better else min
        assert float(value) == pytest.approx(
            choose(tried(name, scores, targets).values()), abs=1e-12
        )
        assert float(metric(scores >= threshold, targets)) == pytest.approx(float(value), abs=1e-12)


@pytest.mark.parametrize("name", COUNT_METRICS)
def test_every_value_is_that_of_its_threshold(name: str) -> None:
    targets, scores = CASES["ordinary"], tied_scores(7, 4)
    sweep = SortedScores(scores, targets).sweep(COUNT_METRICS[name])
    possible = ~sweep.values.isnan()
    assert int(possible.sum()) == len(scores.unique()) + 1
    for threshold, value in zip(sweep.thresholds[possible], sweep.values[possible], strict=True):
        result = COUNT_METRICS[name](scores >= threshold, targets)
        assert float(result) == pytest.approx(float(value), abs=1e-12)


def test_runs_are_swept_side_by_side() -> None:
    scores = torch.rand(3, 20, 4, dtype=torch.float64)
    targets = torch.rand(3, 20, 4) < 0.3
    metric = COUNT_METRICS["f1_macro"]
    together, _ = best_threshold(metric, scores, targets)
    alone = [best_threshold(metric, scores[r], targets[r])[0] for r in range(3)]
    torch.testing.assert_close(together, torch.stack(alone))


def test_neighbouring_floats_are_separated() -> None:
    low = torch.tensor(0.3)
    high = torch.nextafter(low, torch.tensor(1.0))
    scores, targets = torch.stack([low, high])[:, None], torch.tensor([[False], [True]])
    threshold, value = best_threshold(COUNT_METRICS["subset_accuracy"], scores, targets)
    assert value == 1
    assert (scores.double() >= threshold).tolist() == [[False], [True]]


@pytest.mark.parametrize("most", [(6, 6, 40), (9, 12, 30), (30, 4, 50)])
@pytest.mark.parametrize("name", NAMES)
def test_the_highest_of_equal_thresholds_does_not_depend_on_rounding(
    name: str, most: tuple[int, ...]
) -> None:
    metric, draw, wrong = COUNT_METRICS[name], torch.Generator().manual_seed(1), []
    for trial in range(16):
        n, k, levels = (int(torch.randint(1, high, (), generator=draw)) for high in most)
        scores = torch.randint(0, levels, (n, k), generator=draw).double() / levels
        targets = torch.rand(n, k, generator=draw) < 0.4
        threshold, _ = best_threshold(metric, scores, targets)
        expected = best_cut(name, scores.tolist(), targets.tolist(), metric.higher_is_better)
        if not torch.equal(scores >= threshold, scores >= expected):
            wrong.append(trial)
    assert wrong == []


@pytest.mark.parametrize("name", NAMES)
def test_each_slice_is_swept_as_if_alone_when_all_axes_differ(name: str) -> None:
    draw = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 40, (2, 3, 11, 5), generator=draw).double() / 40
    targets = torch.rand(2, 3, 11, 5, generator=draw) < 0.3
    metric = COUNT_METRICS[name]
    together, values = best_threshold(metric, scores, targets)
    for run in product(range(2), range(3)):
        of_run, true = scores[run], targets[run]
        expected = best_cut(name, of_run.tolist(), true.tolist(), metric.higher_is_better)
        assert torch.equal(of_run >= together[run], of_run >= expected)
        value = exact(name, (of_run >= expected).tolist(), true.tolist())
        assert float(values[run]) == pytest.approx(float(value), abs=1e-12)


def test_values_within_the_tolerance_are_equal_and_nan_is_never_best() -> None:
    values = torch.tensor(
        [[torch.nan, 0.5, 0.7 - 1e-13, 0.7, 0.1], [0.2, torch.nan, 0.2, 0.3, 0.1]]
    )
    assert first_best(values.double()).tolist() == [2, 3]
    assert first_best(values.double(), higher_is_better=False).tolist() == [4, 4]
