"""A rule that calibrates scores on validation rows before it decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from torch import Size, Tensor

from mlc.config.options import option
from mlc.decisions.base import DECISIONS, MARGINAL_THRESHOLD, DecisionRule, register_decision
from mlc.decisions.counting import highest
from mlc.decisions.expected import ExpectedRule
from mlc.decisions.folds import N_FOLDS, folds
from mlc.metrics.final import brier_score, expected_calibration_error
from mlc.metrics.sweep import top_label

# Float32 does not tell scores closer to 0 or 1 from these.
_CLOSEST = 1e-7
_SLOPES = (1e-2, 1e2)


@dataclass
class CalibratedOptions:
    """The calibration, the rule on the calibrated scores, and whether each set has a label."""

    calibration: str = option("platt", choices=("temperature", "platt", "isotonic"))
    rule: str = option("expected_jaccard", choices=("expected_jaccard", "expected_f1", "fixed"))
    at_least_one: bool = False


@register_decision("calibrated")
class Calibrated(DecisionRule):
    r"""A rule that maps scores to probabilities on validation rows and decides by these.

    Labels are taken as independent. One map, fitted to all pairs of a row and a label, serves all
    labels, because rare labels have too few positives for a separate map. The map is monotone. With
    $`z = \operatorname{logit}(\text{score})`$:

    - `temperature`: $`\sigma(z / T)`$, T from 0.01 to 100, with the least log loss (Guo et al. 2017, "On
      calibration of modern neural networks").
    - `platt`: $`\sigma(a z + b)`$, a from 0 to 100, with the least log loss for Platt's targets
      $`(n + 1) / (n + 2)`$ and $`1 / (m + 2)`$ for n positive and m negative pairs (Platt 1999,
      "Probabilistic outputs for support vector machines").
    - `isotonic`: the monotone map with the least squared error, linear between its knots (Zadrozny and
      Elkan 2002, "Transforming classifier scores into accurate multiclass probability estimates").

    `rule` then decides: `expected_jaccard` or `expected_f1`, or `fixed` at 0.5, each with
    `at_least_one` if that is set. Labels of equal probability are taken in the order of their scores.
    The ECE and Brier score of the validation rows before and after calibration are stored with the map.
    The values after it are cross-fitted (five folds at most), so an isotonic map gains nothing from its
    flexibility.

    Attributes:
        is_judged: whether `fit` computes ECE and Brier score.
    """

    Options = CalibratedOptions
    needs = ("marginals", "scores")
    tuned_on = "validation"
    _line: Tensor | None = None
    _knots: Tensor | None = None
    _quality: dict[str, Any] | None = None
    is_judged = True

    def tune(self, scores: Tensor, targets: Tensor) -> Self:
        """Fit a map for each run: scores and targets (..., N, K)."""
        return self._tune(scores, targets, None)

    def tune_masked(self, scores: Tensor, targets: Tensor, known: Tensor) -> Self:
        """Fit a map for each run to its known pairs, (..., N, K) each, without judging it."""
        return self._tune(scores, targets, known)

    def _tune(self, scores: Tensor, targets: Tensor, known: Tensor | None) -> Self:
        leading = scores.shape[:-2]
        by_run = scores.double().cpu().numpy().reshape(-1, *scores.shape[-2:])
        actual = targets.cpu().numpy().reshape(by_run.shape).astype(np.float64)
        kind = self.options.calibration
        pairs = list(zip(by_run, actual, strict=True))
        if known is not None:
            masks = known.cpu().numpy().reshape(by_run.shape)
            pairs = [(p[mask], y[mask]) for (p, y), mask in zip(pairs, masks, strict=True)]
        maps = [_fitted(kind, p, y) for p, y in pairs]
        # Runs with fewer knots repeat their last.
        most = max(map(len, maps))
        padded = [np.pad(knots, ((0, most - len(knots)), (0, 0)), "edge") for knots in maps]
        fitted = torch.from_numpy(np.stack(padded))
        if kind == "isotonic":
            self._knots = fitted.view(*leading, most, 2)
        else:
            self._line = fitted.view(*leading, 2)
        self._quality = None
        if self.is_judged and known is None and by_run.shape[1] > 1:
            values = [_judged(kind, p, y) for p, y in zip(by_run, actual, strict=True)]
            self._quality = {n: _nested([one[n] for one in values], leading) for n in values[0]}
        return self

    def probabilities(self, scores: Tensor) -> Tensor:
        """Return the calibrated scores: (..., N, K), float64."""
        if self._line is None and self._knots is None:
            raise self._missing("a call of fit(scores, targets) first")
        leading, fitted = scores.shape[:-2], self._knots if self._line is None else self._line
        assert fitted is not None
        fitted = fitted.to(scores.device)
        if self._line is None:
            fitted = fitted.expand(*leading, -1, -1)
        return _mapped(fitted, scores.double(), is_line=self._line is not None)

    def by_scores(self, scores: Tensor) -> Tensor:
        """Return the decisions of the rule by the probabilities: (..., N, K), bool."""
        marginals = self.probabilities(scores)
        at_least_one = self.options.at_least_one
        if self.options.rule == "fixed":
            passed = marginals >= MARGINAL_THRESHOLD
            if not at_least_one:
                return passed
            return passed | (top_label(scores) & ~passed.any(dim=-1, keepdim=True))
        options = DECISIONS.options(self.options.rule, at_least_one=at_least_one)
        rule = DECISIONS[self.options.rule](options)
        assert isinstance(rule, ExpectedRule)
        order = scores.argsort(dim=-1, descending=True, stable=True)
        size = rule.best_prefix(marginals.gather(-1, order).flatten(0, -2))
        return highest(scores, size.view(scores.shape[:-1]))

    def fitted(self) -> dict[str, Tensor]:
        """Return slope and intercept, (..., 2), or scores and probabilities of knots, (..., M, 2)."""
        values = {"line": self._line, "knots": self._knots}
        return {name: value for name, value in values.items() if value is not None}

    def fitted_shapes(self, shape: Size) -> dict[str, Size]:
        """Return the shapes, which do not depend on the number of labels."""
        n_axes = {"line": 1, "knots": 2}
        return {
            name: Size((*shape[:-2], *value.shape[-n_axes[name] :]))
            for name, value in self.fitted().items()
        }

    def described(self) -> dict[str, Any]:
        """Return the map, and the cross-fitted ECE and Brier score before and after it."""
        return {**super().described(), **(self._quality or {})}

    def restore(self, fitted: Mapping[str, Any]) -> Self:
        """Restore the map."""
        name = "knots" if self.options.calibration == "isotonic" else "line"
        setattr(self, f"_{name}", torch.as_tensor(fitted[name], dtype=torch.float64))
        return self


def _fitted(kind: str, scores: NDArray[Any], targets: NDArray[Any]) -> NDArray[np.float64]:
    """Fit the map of one run: slope and intercept, (1, 2), or the knots, (M, 2)."""
    if kind == "isotonic":
        return _isotonic(scores, targets)
    return _line(scores, targets, kind == "platt")[None]


def _mapped(fitted: Tensor, scores: Tensor, is_line: bool) -> Tensor:
    """Map scores (..., N, K) by lines (..., 2) or knots (..., M, 2)."""
    if is_line:
        slope, intercept = fitted[..., None, None, :].unbind(dim=-1)
        return (slope * scores.clamp(_CLOSEST, 1 - _CLOSEST).logit() + intercept).sigmoid()
    x, y = (part.contiguous() for part in fitted.unbind(dim=-1))
    return _between(scores.flatten(-2), x, y).view(scores.shape)


def _judged(kind: str, scores: NDArray[Any], targets: NDArray[Any]) -> dict[str, float]:
    """Return ECE and Brier score of (N, K), N at least 2, without and with cross-fitted maps."""
    after = np.empty_like(scores)
    fold = folds(len(scores), min(N_FOLDS, len(scores))).numpy()
    for index in np.unique(fold):
        out = fold == index
        fitted = torch.from_numpy(_fitted(kind, scores[~out], targets[~out]))
        is_line = kind != "isotonic"
        held_out = torch.from_numpy(scores[out])
        after[out] = _mapped(fitted[0] if is_line else fitted, held_out, is_line).numpy()
    return {
        f"{name}_{when}": metric(values, targets)
        for when, values in (("before", scores), ("after", after))
        for name, metric in (("ece", expected_calibration_error), ("brier", brier_score))
    }


def _line(scores: NDArray[Any], targets: NDArray[Any], platt: bool) -> NDArray[np.float64]:
    """Return slope and intercept with the least log loss; without `platt` the intercept is 0."""
    clipped = scores.clip(_CLOSEST, 1 - _CLOSEST)
    z = np.log(clipped) - np.log1p(-clipped)
    smoothed = targets
    if platt:
        positive, negative = targets.sum(), (1 - targets).sum()
        smoothed = np.where(targets > 0, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = line[0] * z + line[1]
        gap = expit(logits) - smoothed
        value = (np.logaddexp(0, logits) - smoothed * logits).mean()
        return float(value), np.array([(gap * z).mean(), gap.mean()])

    bounds = [(0, _SLOPES[1]), (None, None)] if platt else [_SLOPES, (0, 0)]
    precise = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 500}
    result = minimize(
        loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds, options=precise
    )
    return np.asarray(result.x, dtype=np.float64)


def _isotonic(scores: NDArray[Any], targets: NDArray[Any]) -> NDArray[np.float64]:
    """Return the knots of the monotone map: (M, 2), scores and probabilities."""
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0, y_max=1).fit(scores.ravel(), targets.ravel())
    return np.stack([fitted.X_thresholds_, fitted.y_thresholds_], axis=1)


def _between(values: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Interpolate values (..., n) between ascending knots (..., M); constant outside of them."""
    if torch.compiler.is_exporting():
        # ONNX has no binary search.
        right = (x.unsqueeze(-2) < values.unsqueeze(-1)).sum(dim=-1)
    else:
        right = torch.searchsorted(x, values.contiguous())
    right = right.clamp(max=x.shape[-1] - 1)
    left = (right - 1).clamp(min=0)
    low, high = x.gather(-1, left), x.gather(-1, right)
    share = ((values - low) / (high - low).where(high > low, 1)).clamp(0, 1)
    return torch.lerp(y.gather(-1, left), y.gather(-1, right), share)


def _nested(values: list[float], leading: Size) -> Any:
    return np.reshape(values, tuple(leading)).tolist()
