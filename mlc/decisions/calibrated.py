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
from mlc.metrics.final import brier_score, expected_calibration_error

# The closest to 0 and 1 that float32 scores can be distinguished.
_CLOSEST = 1e-7
_SLOPES = (1e-2, 1e2)


@dataclass
class CalibratedOptions:
    """The map from scores to probabilities, and the rule that decides from these."""

    calibration: str = option("platt", choices=("temperature", "platt", "isotonic"))
    rule: str = option("expected_jaccard", choices=("expected_jaccard", "expected_f1", "fixed"))


@register_decision("calibrated")
class Calibrated(DecisionRule):
    """A rule that calibrates scores on validation rows, then decides as if labels were independent.

    One map serves all labels and is fitted to all pairs of a row and a label, so rare labels need no
    separate map. It never decreases, so it preserves the order of the scores. With z = logit(score):

    - `temperature`: sigmoid(z / T), T from 0.01 to 100, of the least log loss (Guo et al. 2017, "On
      calibration of modern neural networks").
    - `platt`: sigmoid(a z + b), a from 0 to 100, of the least log loss with Platt's targets (n + 1) /
      (n + 2) and 1 / (m + 2) for n positive and m negative pairs (Platt 1999, "Probabilistic outputs
      for support vector machines").
    - `isotonic`: the monotone map of the least squared error, linear between its knots (Zadrozny and
      Elkan 2002, "Transforming classifier scores into accurate multiclass probability estimates").

    `rule` then decides: `expected_jaccard`, `expected_f1`, or `fixed` at 0.5. Among labels of equal
    probability the rule takes those with the highest scores.
    """

    Options = CalibratedOptions
    needs = ("marginals", "scores")
    tuned_on = "validation"
    _line: Tensor | None = None
    _knots: Tensor | None = None
    _quality: dict[str, Any] | None = None

    def tune(self, scores: Tensor, targets: Tensor) -> Self:
        """Fit a map for each run: scores and targets (..., N, K)."""
        leading = scores.shape[:-2]
        before = scores.double().cpu().numpy().reshape(-1, *scores.shape[-2:])
        true = targets.cpu().numpy().reshape(before.shape).astype(np.float64)
        if self.options.calibration == "isotonic":
            maps = [_isotonic(x, y) for x, y in zip(before, true, strict=True)]
            # Runs with fewer knots repeat their last.
            most = max(map(len, maps))
            padded = [np.pad(knots, ((0, most - len(knots)), (0, 0)), "edge") for knots in maps]
            self._knots = torch.from_numpy(np.stack(padded)).view(*leading, most, 2)
        else:
            platt = self.options.calibration == "platt"
            lines = [_line(x, y, platt) for x, y in zip(before, true, strict=True)]
            self._line = torch.from_numpy(np.stack(lines)).view(*leading, 2)
        after = self.probabilities(scores).cpu().numpy().reshape(before.shape)
        self._quality = {
            f"{name}_{when}": np.reshape(list(map(metric, values, true)), tuple(leading)).tolist()
            for when, values in (("before", before), ("after", after))
            for name, metric in (("ece", expected_calibration_error), ("brier", brier_score))
        }
        return self

    def probabilities(self, scores: Tensor) -> Tensor:
        """Return the calibrated scores: (..., N, K), float64."""
        if self._line is None and self._knots is None:
            raise self._missing("a call of fit(scores, targets) first")
        if self._line is not None:
            slope, intercept = self._line.to(scores.device)[..., None, None, :].unbind(dim=-1)
            z = scores.double().clamp(_CLOSEST, 1 - _CLOSEST).logit()
            return (slope * z + intercept).sigmoid()
        assert self._knots is not None
        leading = scores.shape[:-2]
        knots = self._knots.to(scores.device)
        x, y = (part.expand(*leading, -1).contiguous() for part in knots.unbind(dim=-1))
        return _between(scores.double().flatten(-2), x, y).view(scores.shape)

    def by_scores(self, scores: Tensor) -> Tensor:
        """Return the decisions of `rule` from the probabilities: (..., N, K), bool."""
        marginals = self.probabilities(scores)
        if self.options.rule == "fixed":
            return marginals >= MARGINAL_THRESHOLD
        rule = DECISIONS[self.options.rule](DECISIONS.options(self.options.rule))
        assert isinstance(rule, ExpectedRule)
        order = scores.argsort(dim=-1, descending=True, stable=True)
        size = rule.best_prefix(marginals.gather(-1, order).flatten(0, -2))
        return highest(scores, size.view(scores.shape[:-1]))

    def fitted(self) -> dict[str, Tensor]:
        """Return slope and intercept, (..., 2), or scores and probabilities of knots, (..., M, 2)."""
        maps = {"line": self._line, "knots": self._knots}
        return {name: value for name, value in maps.items() if value is not None}

    def fitted_shapes(self, shape: Size) -> dict[str, Size]:
        """Return the shapes, which do not depend on the number of labels."""
        leading = shape[:-2]
        ends = {name: (value.shape[-2:] if name == "knots" else Size((2,)))
                for name, value in self.fitted().items()}  # fmt: skip
        return {name: Size((*leading, *end)) for name, end in ends.items()}

    def described(self) -> dict[str, Any]:
        """Return the map, and ECE and Brier score of the fitted rows before and after it."""
        return {**super().described(), **(self._quality or {})}

    def restore(self, fitted: Mapping[str, Any]) -> Self:
        """Restore the map."""
        name = "knots" if self.options.calibration == "isotonic" else "line"
        setattr(self, f"_{name}", torch.as_tensor(fitted[name], dtype=torch.float64))
        return self


def _line(scores: NDArray[Any], targets: NDArray[Any], platt: bool) -> NDArray[np.float64]:
    """Fit slope and intercept by log loss; without `platt` the intercept is 0."""
    clipped = scores.clip(_CLOSEST, 1 - _CLOSEST)
    z = np.log(clipped) - np.log1p(-clipped)
    goal = targets
    if platt:
        positive, negative = targets.sum(), (1 - targets).sum()
        goal = np.where(targets > 0, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = line[0] * z + line[1]
        gap = expit(logits) - goal
        value = (np.logaddexp(0, logits) - goal * logits).mean()
        return float(value), np.array([(gap * z).mean(), gap.mean()])

    bounds = [(0, _SLOPES[1]), (None, None)] if platt else [_SLOPES, (0, 0)]
    precise = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 500}
    result = minimize(
        loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds, options=precise
    )
    return np.asarray(result.x, dtype=np.float64)


def _isotonic(scores: NDArray[Any], targets: NDArray[Any]) -> NDArray[np.float64]:
    """Fit the monotone map; return its knots, (M, 2), scores and probabilities."""
    from sklearn.isotonic import IsotonicRegression

    fit = IsotonicRegression(y_min=0, y_max=1).fit(scores.ravel(), targets.ravel())
    return np.stack([fit.X_thresholds_, fit.y_thresholds_], axis=1)


def _between(values: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Interpolate linearly, constant outside the knots: (..., n) at ascending knots (..., M)."""
    right = torch.searchsorted(x, values.contiguous()).clamp(max=x.shape[-1] - 1)
    left = (right - 1).clamp(min=0)
    low, high = x.gather(-1, left), x.gather(-1, right)
    share = ((values - low) / (high - low).where(high > low, 1)).clamp(0, 1)
    return torch.lerp(y.gather(-1, left), y.gather(-1, right), share)
