"""Linear models and constant predictions as contestants of a comparison."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mlc.config.registry import DECISIONS
from mlc.data.base import Dataset
from mlc.data.cache import remembered, source_version
from mlc.data.splits import Split
from mlc.decisions.base import MARGINAL_THRESHOLD, DecisionRule
from mlc.decisions.seen import distinct
from mlc.evaluation.baselines import most_frequent_set, prior_scores
from mlc.evaluation.judging import describe
from mlc.evaluation.linear_models import YARDSTICKS
from mlc.evaluation.yardsticks import fit_splits, n_processes, suit_linear, tune_together
from mlc.metrics.counts import COUNT_METRICS
from mlc.runs.provenance import code_version, fingerprint
from mlc.search.choice import BY_LABEL, PER_LABEL_METRIC

LINEAR = tuple(kind.name for kind in YARDSTICKS)
# The heads that minimise the same loss with backbone=linear, but without a penalty on the intercept.
HEAD_OF = {"logistic_regression": "sigmoid", "linear_svm": "squared_hinge"}
# The simplest first.
CONSTANT = ("most_frequent_set", "prior")
# Rules that take a threshold from the head, and nothing else from its value.
_BY_NATURAL = ("fixed", "groups")
# Models whose scores are P(y_k = 1 | x); those of the others only rank labels.
_MARGINALS = ("prior", "logistic_regression")
_VERSION = f"{source_version(__file__)} {code_version()}"

Scores = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Baseline:
    """A linear model or a constant prediction, judged on every split under every rule.

    Attributes:
        name: one of LINEAR or CONSTANT.
        strength: C of a linear model, chosen by the mean over the splits; else None.
        seconds: of fitting it once.
        validation: the metric on validation rows by rule and seed.
        learned: what each rule learned, as in a run's rules.json, by rule and seed.
        decisions: label sets of the test rows (N, K) by rule and seed.
        scores: of the test rows (N, K), by seed; none where every rule is a constant.
    """

    name: str
    strength: float | None
    seconds: float
    validation: dict[str, dict[int, float]]
    learned: dict[str, dict[int, dict[str, Any]]]
    decisions: dict[str, dict[int, NDArray[np.bool_]]]
    scores: dict[int, NDArray[np.floating]]


def fit_baselines(
    dataset: Dataset,
    splits: Mapping[int, Split],
    metric: str,
    rules: Mapping[str, Mapping[str, Any]],
    searched: Sequence[int],
) -> list[Baseline]:
    """Fit linear models and constants on every split, and decide under each rule that suits them.

    Results are read from the cache where they were computed before.

    Args:
        dataset: the data.
        splits: by seed.
        metric: the metric that chooses C.
        rules: the options of each rule, by name.
        searched: the seeds of the splits that choose C.

    Returns:
        The constants and the linear models; no linear models for data that do not `suit_linear`.
    """
    with_linear = suit_linear(dataset, next(iter(splits.values())))
    names = [*CONSTANT, *(LINEAR if with_linear else ())]
    rows = [rows.tobytes() for split in splits.values() for rows in split.parts().values()]
    rules = {name: options for name, options in rules.items() if _is_fair(name, metric)}
    settings = json.dumps(
        [fingerprint(dataset), metric, list(splits), list(searched), names, dict(rules)]
    )

    def compute() -> dict[str, NDArray[Any]]:
        return _as_arrays([_fit(name, dataset, splits, metric, rules, searched) for name in names])

    stored = remembered(_VERSION, [settings.encode(), *rows], compute)
    return _from_arrays(stored, dataset.n_labels)


def _is_fair(rule: str, metric: str) -> bool:
    """Thresholds for each label are compared only for macro F1, as with networks."""
    return DECISIONS[rule].tuned_on != "test" and (
        rule not in BY_LABEL or metric == PER_LABEL_METRIC
    )


def _fit(
    name: str,
    dataset: Dataset,
    splits: Mapping[int, Split],
    metric: str,
    rules: Mapping[str, Mapping[str, Any]],
    searched: Sequence[int],
) -> Baseline:
    started = time.perf_counter()
    if name == "most_frequent_set":
        return _most_frequent_set(dataset, splits, metric)
    kinds = {kind.name: kind for kind in YARDSTICKS}
    strength = None
    if name in kinds:
        kind, n_jobs = kinds[name](), n_processes(dataset, next(iter(splits.values())))
        first = [splits[seed] for seed in searched]
        tuned = tune_together(kind, dataset, first, metric, n_jobs)
        strength, seconds = tuned.strength, tuned.seconds
        every = fit_splits(kind, dataset, list(splits.values()), tuned, n_jobs)
        scores: dict[int, Scores] = dict(zip(splits, every, strict=True))
    else:
        scores = {seed: prior_scores(dataset, split) for seed, split in splits.items()}
        seconds = time.perf_counter() - started
    of_test = {seed: by_part["test"].astype(np.float32) for seed, by_part in scores.items()}
    baseline = Baseline(name, strength, seconds, {}, {}, {}, of_test)
    for rule, options in rules.items():
        if _suits(name, rule, options, dataset.n_labels):
            _judge(baseline, rule, options, dataset, splits, scores, metric)
    return baseline


def _suits(name: str, rule: str, options: Mapping[str, Any], n_labels: int) -> bool:
    if rule == "fixed":
        return True
    is_given = DECISIONS[rule].input_from(_provided(name)) is not None
    return is_given and _built(name, rule, options, n_labels).lacks is None


def _built(name: str, rule: str, options: Mapping[str, Any], n_labels: int) -> DecisionRule:
    kind = DECISIONS[rule]
    built: DecisionRule = kind(kind.Options(**options), natural_threshold(name, rule))
    return built.suit(None, _provided(name), n_labels)


def natural_threshold(name: str, rule: str) -> float | None:
    """The natural threshold of a model's scores; where a rule asks it for more, of probabilities."""
    # The sigmoid of an SVM's decision value is 0.5 where it changes its sign.
    return MARGINAL_THRESHOLD if name in _MARGINALS or rule in _BY_NATURAL else None


def _provided(name: str) -> frozenset[str]:
    return frozenset({"scores", "marginals"} if name in _MARGINALS else {"scores"})


def _judge(
    baseline: Baseline,
    name: str,
    options: Mapping[str, Any],
    dataset: Dataset,
    splits: Mapping[int, Split],
    scores: Mapping[int, Scores],
    metric: str,
) -> None:
    """Tune a rule on the validation rows of each split, and store its values and decisions."""
    for values in (baseline.validation, baseline.learned, baseline.decisions):
        values[name] = {}
    for seed, split in splits.items():
        rule = _built(baseline.name, name, options, dataset.n_labels)
        rule.training_sets = distinct(torch.as_tensor(dataset.targets[split.train]))
        actual = torch.as_tensor(dataset.targets[split.val])
        if rule.tuned_on == "validation":
            rule.fit(scores[seed]["val"], actual)
        decided = rule.decide(scores[seed]["val"])
        baseline.validation[name][seed] = float(COUNT_METRICS[metric](decided, actual))
        baseline.learned[name][seed] = describe(rule)
        baseline.decisions[name][seed] = rule.decide(scores[seed]["test"]).numpy()


def _most_frequent_set(dataset: Dataset, splits: Mapping[int, Split], metric: str) -> Baseline:
    baseline = Baseline("most_frequent_set", None, 0.0, {"constant": {}}, {}, {"constant": {}}, {})
    for seed, split in splits.items():
        decided = most_frequent_set(dataset, split)
        baseline.decisions["constant"][seed] = decided
        actual = torch.as_tensor(dataset.targets[split.val])
        of_val = torch.as_tensor(decided[:1]).expand_as(actual)
        baseline.validation["constant"][seed] = float(COUNT_METRICS[metric](of_val, actual))
    return baseline


def _as_arrays(baselines: Sequence[Baseline]) -> dict[str, NDArray[Any]]:
    """For the cache: text as JSON, and decisions as bits."""
    arrays: dict[str, NDArray[Any]] = {}
    facts = []
    for each in baselines:
        facts.append([each.name, each.strength, each.seconds, each.validation, each.learned])
        for rule, by_seed in each.decisions.items():
            for seed, decided in by_seed.items():
                arrays[f"{each.name}/{rule}/{seed}"] = np.packbits(decided, axis=1)
        arrays |= {f"{each.name} {seed}": scores for seed, scores in each.scores.items()}
    return {"facts": np.array(json.dumps(facts)), **arrays}


def _from_arrays(arrays: Mapping[str, NDArray[Any]], n_labels: int) -> list[Baseline]:
    baselines = []
    for name, strength, seconds, validation, learned in json.loads(str(arrays["facts"])):
        decisions = {
            rule: {
                int(seed): np.unpackbits(arrays[f"{name}/{rule}/{seed}"], axis=1, count=n_labels)
                .astype(bool)
                for seed in values
            }
            for rule, values in validation.items()
        }  # fmt: skip
        scores = {
            int(key.split()[1]): array
            for key, array in arrays.items()
            if key.startswith(f"{name} ")
        }
        fitted = _by_seed(validation), _by_seed(learned)
        baselines.append(Baseline(name, strength, seconds, *fitted, decisions, scores))
    return baselines


def _by_seed(values: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[int, Any]]:
    """JSON's keys are texts."""
    return {
        rule: {int(seed): value for seed, value in by_seed.items()}
        for rule, by_seed in values.items()
    }
