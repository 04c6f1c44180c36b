"""A rule with what several runs learned, averaged, and its value on their test rows."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.comparing.row_values import row_values
from mlc.config.registry import DECISIONS
from mlc.config.texts import span
from mlc.decisions.candidates import BY_WORDS

# Decimals of a mean threshold, and its significant digits if it is close to 0 or 1: finer differences
# are far within the spread of several runs.
_DECIMALS, _DIGITS = 6, 4


@dataclass(frozen=True)
class Model:
    """What the rule decides for: a head, or a linear model.

    Attributes:
        name: of the head or the linear model.
        options: the head's options, or C.
        natural: the natural threshold of its scores, or None.
        labels: K names.
    """

    name: str
    options: dict[str, Any]
    natural: float | None
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Settled:
    """A model and a rule with what several runs learned, averaged.

    Attributes:
        model: what the rule decides for.
        chosen: the rule that validation rows chose, "auto" or `rule`.
        chosen_options: the options of the chosen rule.
        rule: the rule's name; for `auto` the rule that all runs chose, or `auto` where they differ.
        rule_options: the options of `rule`.
        fitted: what it learned: the mean threshold of the runs, or the middle k.
        counts: for `auto` how many runs chose each rule, in words.
        n_runs: the number of runs that `fitted` is the mean of.
        ranges: the least and the largest threshold among them; None without a single threshold.
        by_scores: whether the rule decides from the scores although the head has a joint distribution.
        averages_lose: by how much the averaged numbers are worse than those of each run, where that is
            too much to print them; `fitted` is then empty.
    """

    model: Model
    chosen: str
    chosen_options: dict[str, Any]
    rule: str
    rule_options: dict[str, Any]
    fitted: dict[str, Any]
    counts: dict[str, int]
    n_runs: int
    ranges: tuple[float, float] | None = None
    by_scores: bool = False
    averages_lose: float | None = None


def settle(
    model: Model, rule: str, options: Mapping[str, Any], stored: Sequence[Mapping[str, Any]]
) -> Settled:
    """Average what the chosen runs learned.

    Args:
        model: what the rule decides for.
        rule: the chosen rule.
        options: the rule's.
        stored: of each run, what its rules.json says of the rule.
    """
    chosen_options = {key: value for key, value in options.items() if key != "name"}
    name, rule_options, runs, by_scores = rule, chosen_options, list(stored), False
    counts: dict[str, int] = {}
    if rule == "auto":
        counts = dict(Counter(str(run["chosen"]) for run in stored).most_common())
    if len(counts) > 1:
        # No rule decides as all runs do: auto is fitted again.
        runs = []
    elif counts:
        (words,) = counts
        runs = [run["learned"].get(words, {}) for run in stored]
        candidate = BY_WORDS[words]
        built = candidate.build(chosen_options["metric"], model.natural)
        name, rule_options = candidate.rule, dataclasses.asdict(built.options)
        by_scores = DECISIONS[name].needs[0] == "joint" and not candidate.by_joint
    thresholds = [float(run["threshold"]) for run in runs if name in ("global", "oracle")]
    return Settled(
        model,
        rule,
        chosen_options,
        name,
        rule_options,
        _averaged(name, runs, rule_options, model.natural),
        counts,
        len(runs),
        (min(thresholds), max(thresholds)) if thresholds else None,
        by_scores,
    )


def _averaged(
    rule: str, runs: Sequence[Mapping[str, Any]], options: Mapping[str, Any], natural: float | None
) -> dict[str, Any]:
    if rule == "fixed":
        given = options.get("threshold")
        return {"threshold": natural if given is None else given}
    if rule == "top_k":
        return {"k": sorted(int(run["k"]) for run in runs)[len(runs) // 2]}
    if rule == "per_label":
        columns = zip(*(run["threshold"] for run in runs), strict=True)
        return {"threshold": [_mean_threshold(column) for column in columns]}
    if rule in ("global", "oracle"):
        return {"threshold": _mean_threshold([run["threshold"] for run in runs])}
    return {}


def _mean_threshold(values: Sequence[float]) -> float:
    """Average thresholds of several runs; that of one run stays, so that it decides as the run does."""
    if len(values) == 1:
        return float(values[0])
    mean = fmean(values)
    room = min(mean, 1 - mean)
    # Scores of many labels, or of a saturated network, lie close to 0 or 1 together.
    decimals = _DIGITS - math.floor(math.log10(room)) if room > 0 else _DECIMALS
    return round(mean, max(_DECIMALS, decimals))


def value_of(
    settled: Settled,
    scores: Sequence[NDArray[np.floating]],
    targets: Sequence[NDArray[np.bool_]],
    metric: str,
) -> float | None:
    """The mean value of the averaged rule on the test rows of the runs, (N, K) each.

    None where the rule needs more than scores and the averaged numbers.
    """
    kind = DECISIONS[settled.rule]
    needs_more = kind.tuned_on != "nothing" and not settled.fitted
    if needs_more or kind.input_from(("scores", "marginals")) is None or not _by_scores(settled):
        return None
    rule = kind(kind.Options(**settled.rule_options), settled.model.natural)
    if settled.fitted and settled.rule != "fixed":
        rule.restore(settled.fitted)
    values = [
        row_values(metric, rule.decide(np.asarray(each, dtype=float)).numpy(), actual).mean()
        for each, actual in zip(scores, targets, strict=True)
    ]
    return float(np.mean(values))


def without_poor_average(settled: Settled, loss: float | None, margin: float) -> Settled:
    """Return the rule to be fitted anew where its averaged numbers lose more than the margin.

    Args:
        settled: the rule.
        loss: by how much the averaged rule is worse on test rows than the rule fitted in each run.
        margin: differences up to this count as equal.
    """
    if loss is None or loss <= margin or not settled.fitted or settled.rule == "fixed":
        return settled
    return dataclasses.replace(settled, fitted={}, averages_lose=loss)


def _by_scores(settled: Settled) -> bool:
    """Whether the rule decides from scores here."""
    return settled.by_scores or DECISIONS[settled.rule].needs[0] in ("scores", "marginals")


def provenance(settled: Settled, metric: str, measured: float, printed: float | None) -> list[str]:
    """What the numbers of the rule are, and the values of the measured and of the printed rule.

    Args:
        settled: the rule.
        metric: its name.
        measured: the mean value of the chosen rule on test rows, each run with its own numbers.
        printed: the same of the averaged rule; None where it is not known.

    Returns:
        Sentences.
    """
    lines = []
    n_all = sum(settled.counts.values())
    if settled.rule == "auto":
        chose = [f"{words!r} in {n} of {n_all} runs" for words, n in settled.counts.items()]
        lines.append(f"auto chose {', '.join(chose)}, and is fitted anew here.")
    elif settled.counts:
        (words,) = settled.counts
        runs = f"all {n_all} runs" if n_all > 1 else "the run"
        lines.append(f"auto chose {words!r} in {runs}; this is that rule.")
    if settled.averages_lose is not None:
        spread = "" if settled.ranges is None else f" ({_span(settled.ranges)})"
        lines.append(
            f"What it learned differs between the runs{spread}, and the average would lose"
            f" {settled.averages_lose:.3f}: the rule is fitted here, on validation rows."
        )
    elif settled.ranges is not None:
        lines.append(
            f"Its threshold is the mean of {settled.n_runs} runs ({_span(settled.ranges)})."
            if settled.n_runs > 1
            else "Its threshold is that of one run."
        )
    elif settled.fitted and settled.rule != "fixed":
        average = "the middle" if settled.rule == "top_k" else "the mean"
        of = f"{average} of {settled.n_runs} runs" if settled.n_runs > 1 else "that of one run"
        lines.append(f"What it learned is {of}.")
    if lines and printed is not None and settled.averages_lose is None:
        lines.append(
            f"With these numbers {metric} is {printed:.3f} on the test rows;"
            f" {settled.chosen}, fitted in each run, has {measured:.3f}."
        )
    elif lines:
        lines.append(
            f"{settled.chosen}, fitted in each run, has {metric} {measured:.3f} on the test rows."
        )
    return lines


def _span(ends: tuple[float, float]) -> str:
    return span(*(f"{end:.3f}" for end in ends))
