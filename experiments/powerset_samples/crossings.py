"""The number of rows at which powerset passes sigmoid, and a rule of thumb."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import minimize
from scipy.special import log_ndtr

_LEAST_VALUES = 3  # least number of values of K among the worlds that cross, to fit a rule
_CONFIDENCE = 0.95
_LEAST_SCALE = 1e-3

WORLD = ["data.n_labels", "data.dependence", "seed"]


def crossing_points(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the rows at which powerset's regret falls below sigmoid's in each world, or NaN.

    Regrets are interpolated linearly in the logarithm of the rows; the last crossing counts.
    """
    table = rows.pivot_table(index=[*WORLD, "data.n_train"], columns="head", values=metric)
    points = []
    for world, group in table.groupby(level=WORLD):
        behind = (group["powerset"] - group["sigmoid"]).dropna()
        log_n = np.log(behind.index.get_level_values("data.n_train").to_numpy(dtype=float))
        gap = behind.to_numpy()
        after = np.flatnonzero((gap[:-1] > 0) & (gap[1:] <= 0))
        n = np.nan
        if len(gap) and gap[-1] <= 0:
            n = float(np.exp(log_n[0]))
            if len(after):
                index = after[-1]
                share = gap[index] / (gap[index] - gap[index + 1])
                n = float(np.exp(log_n[index] + share * (log_n[index + 1] - log_n[index])))
        points.append([*world, n])
    return pd.DataFrame(points, columns=[*WORLD, "n"])


@dataclass(frozen=True)
class RuleOfThumb:
    """n* = factor x growth^K / dependence^power; `text` is the formula with intervals."""

    growth: float
    text: str


def rule_of_thumb(crossings: pd.DataFrame, largest: float) -> RuleOfThumb:
    """Fit log n* to K and log dependence, with intervals over worlds.

    A world that has not crossed at the largest number of rows is a censored value.
    """
    seen = sorted(crossings.dropna()["data.n_labels"].unique())
    if len(seen) < _LEAST_VALUES:
        among = ", ".join(map(str, seen)) or "no value"
        return RuleOfThumb(np.nan, f"none is fitted, for only worlds with K = {among} have crossed")
    k, dependence = (
        crossings[f"data.{name}"].to_numpy(float) for name in ("n_labels", "dependence")
    )
    x = np.column_stack([np.ones_like(k), k, -np.log(dependence)])
    censored = crossings["n"].isna().to_numpy()
    y = np.log(crossings["n"].fillna(largest).to_numpy(float))
    fitted, half_widths = coefficient_intervals(x, y, censored)
    low, high = fitted - half_widths, fitted + half_widths
    return RuleOfThumb(
        float(np.exp(fitted[1])),
        f"n* = {rounded(np.exp(fitted[0]))} ({rounded(np.exp(low[0]))} to {rounded(np.exp(high[0]))})"
        f" x {np.exp(fitted[1]):.1f} ({np.exp(low[1]):.1f} to {np.exp(high[1]):.1f})^K"
        f" / dependence^{fitted[2]:.1f} ({low[2]:.1f} to {high[2]:.1f}) rows",
    )


def coefficient_intervals(
    x: NDArray[np.float64], y: NDArray[np.float64], censored: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the coefficients of `censored_regression` and half their 95% intervals, (P,) each.

    Intervals use the inverse of the observed information, scaled by N / (N - P), and Student's t with
    N - P degrees of freedom: without censored values they are the exact intervals of least squares.
    """
    *coefficients, log_scale = _fit(x, y, censored)
    scale = np.exp(log_scale)
    z = (y - x @ coefficients) / scale
    hazard = np.exp(-0.5 * (z**2 + np.log(2 * np.pi)) - log_ndtr(-z))
    weight = np.where(censored, hazard * (hazard - z), 1)
    slope = np.where(censored, hazard, z)
    cross = x.T @ (weight * z + slope) / scale
    information = np.block(
        [
            [(x.T * weight) @ x / scale**2, cross[:, None]],
            [cross[None], np.array([[(weight * z**2 + slope * z).sum()]])],
        ]
    )
    n_free = len(y) - x.shape[1]
    variance = np.diag(np.linalg.inv(information))[:-1] * len(y) / n_free
    half_widths = stats.t.ppf((1 + _CONFIDENCE) / 2, n_free) * np.sqrt(variance)
    return np.array(coefficients), np.asarray(half_widths)


def censored_regression(
    x: NDArray[np.float64], y: NDArray[np.float64], censored: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Fit a normal linear model to x (N, P) and y (N,) by maximum likelihood: coefficients (P,).

    A `censored` value is only known to be above y (Tobin 1958, "Estimation of relationships for
    limited dependent variables").
    """
    return _fit(x, y, censored)[:-1]


def _fit(
    x: NDArray[np.float64], y: NDArray[np.float64], censored: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the coefficients and the logarithm of the scale: (P + 1,)."""
    start = np.linalg.lstsq(x, y, rcond=None)[0]
    spread = np.log(max(float(np.std(y - x @ start)), 0.1))

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scale = np.exp(parameters[-1])
        z = (y - x @ parameters[:-1]) / scale
        log_density, log_above = -0.5 * (z**2 + np.log(2 * np.pi)), log_ndtr(-z)
        values = np.where(censored, log_above, log_density - parameters[-1])
        slopes = np.where(censored, -np.exp(log_density - log_above), -z)
        by_scale = float((slopes * z + ~censored).sum())
        # The last term keeps the scale above 0 if the fit has no residuals.
        value = -float(values.sum()) + _LEAST_SCALE / scale
        return value, np.append(slopes @ x / scale, by_scale - _LEAST_SCALE / scale)

    result = minimize(loss, [*start, spread], jac=True, method="BFGS", options={"gtol": 1e-9})
    return np.asarray(result.x)


def rounded(n: float) -> str:
    """Format a number with two significant digits."""
    return f"{float(f'{n:.2g}'):,.0f}"
