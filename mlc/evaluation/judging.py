"""Evaluation of a finished training: scores, decisions of the rules, metrics, baselines."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlc.data.base import Dataset
from mlc.data.missing_labels import HALF
from mlc.data.resident import ResidentData
from mlc.data.splits import Split
from mlc.decisions.base import DecisionRule
from mlc.evaluation.baselines import most_frequent_set, prior_scores
from mlc.evaluation.finite import require_finite
from mlc.heads.base import Head
from mlc.heads.prediction import Prediction
from mlc.heads.sigmoid import Sigmoid
from mlc.metrics.at_top import inverse_propensities
from mlc.metrics.chunks import row_slices
from mlc.metrics.final import decision_metrics_of_runs, ranking_metrics
from mlc.training.model import Model

PARTS = ("val", "test")
TUNED_PART = {"validation": "val", "test": "test"}


@dataclass
class Evaluation:
    """The evaluation of one run.

    Attributes:
        metrics: by "PART/RULE/METRIC" and "PART/METRIC", where PART is "val" or "test".
        scores: (N, K) by part.
        cardinalities: (N,) by part, for heads that predict an expected number of labels.
        targets: (N, K) by part.
        known: (N, K) by part, the labels that are known; None if all are.
        decisions: (N, K) by part and rule.
        fitted: fitted values of each rule, and the part on which it was tuned.
        baselines: metrics by baseline.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    scores: dict[str, NDArray[np.floating]] = field(default_factory=dict)
    cardinalities: dict[str, Tensor] = field(default_factory=dict)
    targets: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    known: dict[str, NDArray[np.bool_] | None] = field(default_factory=dict)
    decisions: dict[str, dict[str, NDArray[np.bool_]]] = field(default_factory=dict)
    fitted: dict[str, Any] = field(default_factory=dict)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)


@torch.no_grad()
def evaluate(
    model: Model,
    data: ResidentData,
    dataset: Dataset,
    splits: Sequence[Split],
    rules: Sequence[Mapping[str, DecisionRule]],
    failed: Collection[int] = (),
) -> list[Evaluation]:
    """Evaluate each run of the model on its validation and test rows, under each of its rules.

    Rules are tuned and metrics are computed on the known labels alone. Those of the failed runs are of
    outputs 0.

    Raises:
        DataError: an output of another run is not finite.
    """
    results = [
        Evaluation(known={part: dataset.known_of(split.parts()[part]) for part in PARTS})
        for split in splits
    ]
    rows = {part: data.rows([split.parts()[part] for split in splits]) for part in PARTS}
    weights = [inverse_propensities(dataset.targets[split.train]) for split in splits]
    joint = {}
    for part in PARTS:
        chunks = _outputs(model, data, rows[part], part, failed)
        joint[part] = _predict(chunks, model.head, part, results, rules, weights)
        for result, rules_of_run, by_joint in zip(results, rules, joint[part], strict=True):
            for name, rule in rules_of_run.items():
                if TUNED_PART.get(rule.tuned_on) == part:
                    held = _held(result, part, by_joint.beside(name))
                    rule.fit(held, torch.as_tensor(result.targets[part]), result.known[part])
    for part in PARTS:
        for result, rules_of_run, by_joint in zip(results, rules, joint[part], strict=True):
            decided = by_joint.decided
            for name, rule in rules_of_run.items():
                if name not in decided:
                    held = _held(result, part, by_joint.beside(name))
                    decided[name] = _decide(rule, held)
            result.decisions[part] = {name: decided[name] for name in rules_of_run}
        for name in _names(rules):
            owners = [result for result in results if name in result.decisions[part]]
            decisions = (result.decisions[part][name] for result in owners)
            for result, values in _judged(owners, part, decisions):
                _add(result.metrics, f"{part}/{name}", values)
    for result, rules_of_run in zip(results, rules, strict=True):
        result.fitted = {name: describe(rule) for name, rule in rules_of_run.items()}
    _judge_baselines(dataset, splits, rules, results)
    return results


def _names(rules: Sequence[Mapping[str, DecisionRule]]) -> list[str]:
    """Return the names of all runs' rules, each once."""
    return list(dict.fromkeys(name for of_run in rules for name in of_run))


def _judged(
    results: Sequence[Evaluation], part: str, decided: Iterable[NDArray[np.bool_]]
) -> Iterator[tuple[Evaluation, dict[str, float]]]:
    """Yield each run and the metrics of its decisions (N, K); those of a few runs are held at a time."""
    runs = (
        (decisions, result.targets[part], result.known[part])
        for result, decisions in zip(results, decided, strict=True)
    )
    return zip(results, decision_metrics_of_runs(runs), strict=True)


def _judge_baselines(
    dataset: Dataset,
    splits: Sequence[Split],
    rules: Sequence[Mapping[str, DecisionRule]],
    results: Sequence[Evaluation],
) -> None:
    """Add test metrics of the most frequent label set, and of the prior under each score rule."""
    for result in results:
        result.baselines = {"most_frequent_set": {}, "prior": {}}
    frequent = (most_frequent_set(dataset, split) for split in splits)
    for result, values in _judged(results, "test", frequent):
        _add(result.baselines["most_frequent_set"], "test/constant", values)
    priors = [prior_scores(dataset, split) for split in splits]
    for name in _names(rules):
        # Label frequencies are marginals; they have no joint.
        triples = [
            (result, of_run[name], prior)
            for result, of_run, prior in zip(results, rules, priors, strict=True)
            if name in of_run and of_run[name].input_from(Sigmoid.provides()) is not None
        ]
        decided = (_decided_by_prior(*triple) for triple in triples)
        for result, values in _judged([result for result, *_ in triples], "test", decided):
            _add(result.baselines["prior"], f"test/{name}", values)


def _decided_by_prior(
    result: Evaluation, rule: DecisionRule, scores: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.bool_]:
    """Return the decisions, (N, K), of a rule on label frequencies for the test rows."""
    fresh = type(rule)(rule.options)
    fresh.training_sets = rule.training_sets
    held = {p: Prediction.of_marginals(torch.as_tensor(own)) for p, own in scores.items()}
    if rule.tuned_on in TUNED_PART:
        part = TUNED_PART[rule.tuned_on]
        fresh.fit(held[part], torch.as_tensor(result.targets[part]), result.known[part])
    return _decide(fresh, held["test"])


def describe(rule: DecisionRule) -> dict[str, Any]:
    """Return the tuning part, options and fitted values of a rule, for JSON."""
    return {
        "tuned_on": rule.tuned_on,
        **{name: value for name, value in vars(rule.options).items() if name != "name"},
        **rule.described(),
    }


def _outputs(
    model: Model, data: ResidentData, rows: Tensor, part: str, failed: Collection[int]
) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """Yield finite outputs of a part's rows (R, N), else as in `Model.outputs`."""
    first = 0
    for outputs, targets, known in model.outputs(data, rows):
        # Weights that have grown too large would end the evaluation of the other runs too.
        for run in failed:
            outputs[run] = 0
        chunk = rows[:, first : first + outputs.shape[1]]
        require_finite(outputs, chunk, f" of the data, in its {part} part,")
        first += outputs.shape[1]
        yield outputs, targets, known


def _predict(
    chunks: Iterable[tuple[Tensor, Tensor, Tensor | None]],
    head: Head,
    part: str,
    results: Sequence[Evaluation],
    rules: Sequence[Mapping[str, DecisionRule]],
    weights: Sequence[NDArray[np.float64]],
) -> list[_ByJoint]:
    """Store scores, targets and metrics without decisions; return decisions that need the joint.

    Rules on the joint or on sizes need no tuning, so they decide each chunk: the joint and the sizes of
    all rows are never held.
    """
    scores, targets, log_likelihoods, cardinalities = [], [], [], []
    provides, deciding = head.provides(), part == "test"
    decided = [_ByJoint(each, provides, deciding) for each in rules]
    for outputs, actual, known in chunks:
        prediction = head.predict(outputs)
        scores.append(prediction.scores.cpu())
        targets.append((actual >= HALF).cpu())
        log_likelihood = _log_likelihood(head, prediction, outputs, actual, known)
        if log_likelihood is not None:
            log_likelihoods.append(log_likelihood.double().cpu())
        if prediction.cardinality is not None:
            cardinalities.append(prediction.cardinality.cpu())
        for run, by_joint in enumerate(decided):
            by_joint.add(prediction.of_run(run))
    all_scores, all_targets = torch.cat(scores, dim=1).numpy(), torch.cat(targets, dim=1).numpy()
    likelihoods = torch.cat(log_likelihoods, dim=1).mean(dim=1) if log_likelihoods else None
    for run, result in enumerate(results):
        result.scores[part], result.targets[part] = all_scores[run], all_targets[run]
        pairs = all_scores[run], all_targets[run], weights[run], result.known[part]
        _add(result.metrics, part, ranking_metrics(*pairs))
        if cardinalities:
            result.cardinalities[part] = torch.cat(cardinalities, dim=1)[run]
        if likelihoods is not None:
            result.metrics[f"{part}/nll"] = -float(likelihoods[run])
    return decided


def _log_likelihood(
    head: Head, prediction: Prediction, outputs: Tensor, targets: Tensor, known: Tensor | None
) -> Tensor | None:
    """Return the log-probability of the known labels, (R, b), or None if the head defines none."""
    log_likelihood = prediction.log_likelihood(targets)
    if log_likelihood is None or known is None:
        return log_likelihood
    return head.masked_log_likelihood(outputs, targets.to(outputs), known)


class _ByJoint:
    """Decisions of one run by the rules on the joint or on sizes, collected chunk by chunk."""

    def __init__(
        self, rules: Mapping[str, DecisionRule], provides: Collection[str], deciding: bool
    ) -> None:
        own = {
            n: rule for n, rule in rules.items() if rule.input_from(provides) in ("joint", "sizes")
        }
        beside = {n: rule.by_joint_beside(provides, deciding) for n, rule in rules.items()}
        # Equal rules decide once.
        self._own = {name: _key(rule) for name, rule in own.items()}
        self._beside = {n: {m: _key(r) for m, r in each.items()} for n, each in beside.items()}
        every = [*own.values(), *(rule for each in beside.values() for rule in each.values())]
        self._rules = {_key(rule): rule for rule in every}
        self._chunks: dict[str, list[Tensor]] = {key: [] for key in self._rules}

    def add(self, prediction: Prediction) -> None:
        """Decide the next rows."""
        for key, rule in self._rules.items():
            self._chunks[key].append(rule.decide(prediction).cpu())

    @property
    def decided(self) -> dict[str, NDArray[np.bool_]]:
        """The decisions of all rows, (N, K), of each rule that takes the joint itself."""
        return {name: torch.cat(self._chunks[key]).numpy() for name, key in self._own.items()}

    def beside(self, name: str) -> dict[str, Tensor]:
        """The decisions that the rule of this name takes as `Prediction.decided`."""
        return {one: torch.cat(self._chunks[key]) for one, key in self._beside[name].items()}


def _key(rule: DecisionRule) -> str:
    return f"{rule.name} {rule.options}"


def _decide(rule: DecisionRule, held: Prediction) -> NDArray[np.bool_]:
    """Return the decisions of all rows, (N, K); as many are computed at a time as fit into memory."""
    decided = np.empty(held.scores.shape, dtype=bool)
    for rows in row_slices(*held.scores.shape):
        part = Prediction(
            held.scores[rows],
            cardinality=None if held.cardinality is None else held.cardinality[rows],
            decided={name: sets[rows] for name, sets in held.decided.items()},
        )
        decided[rows] = rule.decide(part).numpy()
    return decided


def _held(result: Evaluation, part: str, decided: Mapping[str, Tensor]) -> Prediction:
    """What is kept of a part's prediction once the joint is gone."""
    return Prediction(
        torch.as_tensor(result.scores[part]),
        cardinality=result.cardinalities.get(part),
        decided=decided,
    )


def _add(metrics: dict[str, float], prefix: str, values: Mapping[str, float]) -> None:
    metrics.update({f"{prefix}/{name}": value for name, value in values.items()})
